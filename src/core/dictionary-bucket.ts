const BUCKETS = 512;
const encoder = new TextEncoder();

/**
 * The bucket (0 to 511) that QEMU's dictionary keeps a member in; members are visited and written by ascending bucket.
 * The hash is over the UTF-8 bytes of the name (U+0000 as C0 80), in unsigned 32-bit arithmetic.
 */
export function bucketOf(name: string): number {
  let sum = Math.imul(0x238f13af, name.length);
  for (let index = 0; index < name.length; index++) {
    const code = name.charCodeAt(index);
    if (code === 0 || code > 0x7f) return bucketOfBytes(encoder.encode(name));
    sum = (sum + (code << ((index * 5) % 24))) | 0;
  }
  return bucketOfSum(sum);
}

function bucketOfBytes(utf8: Uint8Array): number {
  const bytes: number[] = [];
  for (const byte of utf8) {
    if (byte === 0) bytes.push(0xc0, 0x80);
    else bytes.push(byte);
  }
  let sum = Math.imul(0x238f13af, bytes.length);
  bytes.forEach((byte, index) => {
    sum = (sum + (byte << ((index * 5) % 24))) | 0;
  });
  return bucketOfSum(sum);
}

function bucketOfSum(sum: number): number {
  return (Math.imul(1103515243, sum) + 12345) & (BUCKETS - 1);
}
