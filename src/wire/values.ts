/**
 * A JSON number that is no 64-bit integer: it had a fraction or an exponent, or it is beyond int64 and uint64.
 * Kept apart from integers because the dialect does: `1.0` and `1e3` are refused where an integer is wanted.
 */
export class WireFloat {
  /** Always finite: what is beyond a double has been brought down to the largest one of its sign. */
  readonly value: number;

  /** Takes any number except NaN, for which JSON has no text; infinities become the largest double. */
  constructor(value: number) {
    if (Number.isNaN(value)) throw new RangeError('NaN cannot be sent as JSON');
    this.value = Math.min(Math.max(value, -Number.MAX_VALUE), Number.MAX_VALUE);
  }
}

/**
 * What the reader delivers. An integer is a `number` where that is exact (up to 2^53 - 1 either way), else a `bigint`
 * (-2^63 to 2^64 - 1, inclusive); an object is a plain one, in which even `__proto__` is an own member.
 */
export type WireValue = null | boolean | string | number | bigint | WireFloat | WireValue[] | WireObject;

export interface WireObject {
  [member: string]: WireValue;
}

/**
 * What the encoder takes: the kinds of `WireValue`, with objects of any interface (whose undefined members are left
 * out), and `InWireOrder`. It is `object` and not an index signature since interfaces do not match one.
 */
export type WireOutput = null | boolean | string | number | bigint | object;

/** An object of which the members are not known. */
export function isWireObject(value: WireValue | undefined): value is WireObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof WireFloat);
}
