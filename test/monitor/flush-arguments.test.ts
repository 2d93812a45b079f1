import { describe, expect, it } from 'vitest';
import type { FlushIotlbArguments } from '../../src/generated/types.ts';
import { iotlbFlush, pasidCacheFlush } from '../../src/monitor/flush-arguments.ts';

const device = 'nic0';

describe('the scope of a flush', () => {
  it('takes what the granularity needs and keeps the rest', () => {
    expect(iotlbFlush({ device, granularity: 'global' })).toEqual({ granularity: 'global', leafOnly: false });
    expect(iotlbFlush({ device, granularity: 'domain', 'domain-id': 7 })).toEqual({
      granularity: 'domain',
      domainId: 7,
      leafOnly: false,
    });
    expect(
      iotlbFlush({ device, granularity: 'page', pasid: 0, address: 0x4000n, size: 0x4000n, 'leaf-only': true }),
    ).toEqual({ granularity: 'page', pasid: 0, address: 0x4000n, size: 0x4000n, leafOnly: true });
    expect(pasidCacheFlush({ device, granularity: 'pasid', pasid: 3 })).toEqual({ granularity: 'pasid', pasid: 3 });
  });

  it('leaves out what says nothing about the granularity', () => {
    const all = { device, 'domain-id': 7, pasid: 3 };
    const scope = { leafOnly: false };
    expect(iotlbFlush({ ...all, granularity: 'global' })).toEqual({ ...scope, granularity: 'global' });
    expect(iotlbFlush({ ...all, granularity: 'domain', address: 0n, size: 4096n })).toEqual({
      ...scope,
      granularity: 'domain',
      domainId: 7,
    });
    expect(iotlbFlush({ ...all, granularity: 'pasid' })).toEqual({
      ...scope,
      granularity: 'pasid',
      domainId: 7,
      pasid: 3,
    });
    expect(pasidCacheFlush({ ...all, granularity: 'global' })).toEqual({ granularity: 'global' });
    expect(pasidCacheFlush({ ...all, granularity: 'domain' })).toEqual({ granularity: 'domain', domainId: 7 });
  });

  const page: FlushIotlbArguments = { device, granularity: 'page', pasid: 1, address: 0n, size: 4096n };
  it.each<[FlushIotlbArguments, string]>([
    [{ device, granularity: 'domain' }, "Parameter 'domain-id' is missing"],
    [{ device, granularity: 'pasid' }, "Parameter 'pasid' is missing"],
    [{ device, granularity: 'page', address: 0n, size: 4096n }, "Parameter 'pasid' is missing"],
    [{ device, granularity: 'page', pasid: 1, size: 4096n }, "Parameter 'address' is missing"],
    [{ device, granularity: 'page', pasid: 1, address: 0n }, "Parameter 'size' is missing"],
    [{ ...page, size: 0n }, "Parameter 'size' is 0; a flush covers a power of two of at least 4096 bytes: give 4096"],
    [
      { ...page, size: 2048n },
      "Parameter 'size' is 2048; a flush covers a power of two of at least 4096 bytes: give 4096",
    ],
    [
      { ...page, size: 12288n },
      "Parameter 'size' is 12288; a flush covers a power of two of at least 4096 bytes: give 16384",
    ],
    [
      { ...page, address: 0x1000n, size: 0x2000n },
      "Parameter 'address' 0x1000 is not a multiple of the size of the flush, 0x2000: give 0x0",
    ],
  ])('%o', (args, sentence) => {
    expect(() => iotlbFlush(args)).toThrow(sentence);
  });

  it('wants a domain-id or a PASID for the PASID cache, too', () => {
    expect(() => pasidCacheFlush({ device, granularity: 'domain' })).toThrow("Parameter 'domain-id' is missing");
    expect(() => pasidCacheFlush({ device, granularity: 'pasid' })).toThrow("Parameter 'pasid' is missing");
  });
});
