import { describe, expect, it } from 'vitest';
import { parseHostFunctionOptions, parseHostIommuOptions, settingsOf } from '../../src/host/options.ts';
import { bdf } from './guest.ts';

describe('host-iommu options', () => {
  it('have defaults', () => {
    expect(settingsOf({})).toEqual({
      capabilities: {
        addressBits: 48,
        pageSizes: [0x1000n, 0x20_0000n, 0x4000_0000n],
        pasidBits: 20,
        nesting: true,
        formats: ['vtd-scalable', 'vtd-ecs'],
        ats: true,
        pageRequests: true,
        dirtyTracking: true,
        coherency: true,
        errata772415: false,
      },
      iotlbSize: 4096,
      pasidCacheSize: 512,
      contextCacheSize: 64,
      atsCacheSize: 64,
      maxPageTables: 4096,
      seed: 1,
    });
  });

  it('are read from strings and from typed values alike', () => {
    const text = {
      'address-bits': '39',
      'page-sizes': '2M:4K',
      'pasid-bits': '0x10',
      nesting: 'off',
      formats: 'vtd-ecs',
      ats: 'no',
      'page-requests': 'on',
      'iotlb-size': '16',
      'pasid-cache-size': '8',
      'context-cache-size': '4',
      'ats-cache-size': '2',
      'dirty-tracking': 'off',
      coherency: 'off',
      'errata-772415': 'on',
      'max-page-tables': '9',
      seed: '7',
    };
    const typed = { ...text, 'address-bits': 39, nesting: false, ats: false, 'page-requests': true, seed: 7n };
    expect(parseHostIommuOptions(text)).toEqual(parseHostIommuOptions(typed));
    expect(settingsOf(parseHostIommuOptions(text))).toEqual({
      capabilities: {
        addressBits: 39,
        pageSizes: [0x1000n, 0x20_0000n],
        pasidBits: 16,
        nesting: false,
        formats: ['vtd-ecs'],
        ats: false,
        pageRequests: true,
        dirtyTracking: false,
        coherency: false,
        errata772415: true,
      },
      iotlbSize: 16,
      pasidCacheSize: 8,
      contextCacheSize: 4,
      atsCacheSize: 2,
      maxPageTables: 9,
      seed: 7,
    });
  });

  it.each([
    [{ 'address-bits': 29 }, "Parameter 'address-bits' does not take 29: give a whole number from 30 to 64"],
    [{ 'pasid-bits': '21' }, "Parameter 'pasid-bits' does not take 21: give a whole number from 0 to 20"],
    [{ 'iotlb-size': 0 }, "Parameter 'iotlb-size' does not take 0: give a whole number from 1 to 1048576"],
    [{ seed: 4294967296 }, "Parameter 'seed' does not take 4294967296: give a whole number from 0 to 4294967295"],
    [{ 'page-sizes': '64K' }, "Parameter 'page-sizes' does not take 65536: a page has 4K, 2M or 1G bytes"],
    [
      { 'page-sizes': '2M:1G' },
      "Parameter 'page-sizes' must have 4K among its values: guests map RAM in pages of that size",
    ],
    [{ 'page-sizes': 'big' }, "Parameter 'page-sizes' does not take 'big': give sizes like 4K:2M:1G"],
    [
      { formats: 'smmuv3' },
      "Parameter 'formats' does not take 'smmuv3': the host IOMMU walks vtd-scalable, vtd-ecs, amd-gcr3",
    ],
    [{ nesting: 'maybe' }, "Parameter 'nesting' expects 'on' or 'off'"],
    [{ 'pasid-bits': 'many' }, "Parameter 'pasid-bits' expects a number"],
    [{ 'pasid-bits': 4.5 }, "Parameter 'pasid-bits' does not take 4.5: give a whole number from 0 to 20"],
    [{ colour: 'red' }, "Property 'host-iommu.colour' not found"],
  ])('refuse %j', (values: Record<string, string | number>, sentence) => {
    expect(() => parseHostIommuOptions(values)).toThrow(sentence);
  });
});

describe('host-function options', () => {
  it('are read from strings', () => {
    const values = { bdf: '3c:01.2', group: '9', 'pasid-bits': '8', ats: 'off', pri: 'on' };
    expect(parseHostFunctionOptions(values)).toEqual({
      bdf: bdf('0000:3c:01.2'),
      group: 9,
      pasidBits: 8,
      ats: false,
      pageRequests: true,
    });
    expect(parseHostFunctionOptions({ bdf: '0001:3c:01.2' })).toEqual({ bdf: bdf('0001:3c:01.2') });
  });

  it.each([
    [{}, "Parameter 'bdf' is missing"],
    [
      { bdf: 'nowhere' },
      "Property 'host-function.bdf' doesn't take value 'nowhere': give segment:bus:device.function, 0000:3b:00.0 for instance",
    ],
    [{ bdf: '3c:00.0', group: -1 }, "Parameter 'group' does not take -1: give a whole number from 0 to 2147483647"],
    [{ bdf: '3c:00.0', 'pasid-bits': 32 }, "Parameter 'pasid-bits' does not take 32: give a whole number from 0 to 20"],
    [{ bdf: '3c:00.0', pri: 'x' }, "Parameter 'pri' expects 'on' or 'off'"],
    [{ bdf: '3c:00.0', speed: 1 }, "Property 'host-function.speed' not found"],
  ])('refuse %j', (values: Record<string, string | number>, sentence) => {
    expect(() => parseHostFunctionOptions(values)).toThrow(sentence);
  });
});
