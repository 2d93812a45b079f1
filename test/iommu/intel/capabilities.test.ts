import { describe, expect, it } from 'vitest';
import { capabilityRegister, extendedCapabilityRegister } from '../../../src/iommu/intel/capabilities.ts';
import { INTEL_IOMMU_PROPERTIES, resolveIntelProperties } from '../../../src/iommu/intel/properties.ts';

type Given = Parameters<typeof resolveIntelProperties>[0];

const NO_INTERRUPTS = { intremap: 'off' };

describe('CAP and ECAP', () => {
  it.each<[string, Given, bigint, bigint]>([
    ['48 bits', {}, 0x80d2008c222f0606n, 0xf42n],
    ['39 bits', { 'aw-bits': 39 }, 0x80d2008c22260206n, 0xf42n],
    ['caching mode', { 'caching-mode': true }, 0x80d2008c222f0686n, 0xf42n],
    ['scalable mode', { 'scalable-mode': true }, 0x80d2008c222f0606n, 0x480080000f42n],
    ['first stage', { 'scalable-mode': true, fsts: true }, 0x81d2008c222f0606n, 0x880000000f42n],
    ['no 1 GiB', { 'scalable-mode': true, fsts: true, fs1gp: false }, 0x80d2008c222f0606n, 0x880000000f42n],
    ['device IOTLB', { 'device-iotlb': true }, 0x80d2008c222f0606n, 0xf46n],
    ['interrupt remapping', { intremap: 'on', eim: 'off' }, 0x80d2008c222f0606n, 0xf00f4an],
    ['extended interrupt mode', { intremap: 'on' }, 0x80d2008c222f0606n, 0xf00f5an],
    ['snoop control', { 'snoop-control': true }, 0x80d2008c222f0606n, 0xfc2n],
    ['no DMA translation', { 'dma-translation': false }, 0x80d2008c222f0006n, 0xf42n],
    ['20 PASID bits', { 'scalable-mode': true, 'pasid-bits': 20 }, 0x80d2008c222f0606n, 0x499880000f42n],
    ['extended contexts', { ecs: true }, 0x80d2008c222f0606n, 0x19805000f42n],
    ['8 PASID bits', { 'scalable-mode': true, 'pasid-bits': 8 }, 0x80d2008c222f0606n, 0x493880000f42n],
  ])('with %s', (_name, given, cap, ecap) => {
    const properties = resolveIntelProperties({ ...NO_INTERRUPTS, ...given });
    expect(capabilityRegister(properties)).toBe(cap);
    expect(extendedCapabilityRegister(properties)).toBe(ecap);
  });

  it('offer page requests with svm', () => {
    const given = { 'scalable-mode': true, fsts: true, 'device-iotlb': true, 'pasid-bits': 8, svm: true };
    const without = extendedCapabilityRegister(resolveIntelProperties({ ...given, svm: false }));
    const added = extendedCapabilityRegister(resolveIntelProperties(given)) ^ without;
    expect(added).toBe((1n << 29n) | (1n << 33n) | (1n << 42n));
  });
});

describe('properties of intel-iommu', () => {
  it('default to those of QEMU 11.1.3', () => {
    expect(resolveIntelProperties({})).toEqual({
      awBits: 48,
      cachingMode: false,
      scalableMode: false,
      firstStage: false,
      firstStage1G: true,
      pasidBits: 0,
      svm: false,
      deviceIotlb: false,
      snoopControl: false,
      dmaTranslation: true,
      staleTm: false,
      interruptRemapping: true,
      extendedInterruptMode: true,
      ecs: false,
      strictSpec: false,
    });
  });

  it('take the older spellings', () => {
    const properties = resolveIntelProperties({ 'x-scalable-mode': true, 'x-flts': true, 'x-pasid-mode': true });
    expect(properties).toMatchObject({ scalableMode: true, firstStage: true, pasidBits: 8 });
    expect(resolveIntelProperties({ 'scalable-mode': true, flts: true }).firstStage).toBe(true);
    for (const { aliasOf } of INTEL_IOMMU_PROPERTIES.filter((property) => property.aliasOf !== undefined)) {
      expect(INTEL_IOMMU_PROPERTIES.map(({ name }) => name)).toContain(aliasOf);
    }
  });

  it('let the later of two spellings hold', () => {
    expect(resolveIntelProperties({ 'scalable-mode': true, 'x-scalable-mode': false }).scalableMode).toBe(false);
  });

  it.each<[string, Given]>([
    ['eim=on cannot be selected without intremap=on', { intremap: 'off', eim: 'on' }],
    ['fsts is only available in scalable mode', { fsts: true }],
    ['Legacy mode: supported values for aw-bits are: 39, 48', { 'aw-bits': 40 }],
    ['Scalable mode(fsts=off): supported values for aw-bits are: 39, 48', { 'scalable-mode': true, 'aw-bits': 57 }],
    [
      'Scalable mode(fsts=on): supported value for aw-bits is: 48',
      { 'scalable-mode': true, fsts: true, 'aw-bits': 39 },
    ],
    ['ecs=on and scalable-mode=on exclude each other; leave one of them out', { ecs: true, 'scalable-mode': true }],
    ['Need to set scalable mode for PASID', { 'pasid-bits': 8 }],
    [
      'pasid-bits=21 is more than PASIDs have; it must be between 0 and 20',
      { 'scalable-mode': true, 'pasid-bits': 21 },
    ],
    ['Need to set device IOTLB for svm', { svm: true }],
    ['Need to set fsts for svm', { svm: true, 'device-iotlb': true }],
    [
      'Need to set dma-translation for svm',
      { svm: true, 'device-iotlb': true, 'scalable-mode': true, fsts: true, 'dma-translation': false },
    ],
    ['Need to set PASID support for svm', { svm: true, 'device-iotlb': true, 'scalable-mode': true, fsts: true }],
    ['intel-iommu offers no pt=off; leave the property out', { pt: false }],
    ['intel-iommu offers no dma-drain=off; leave the property out', { 'dma-drain': false }],
  ])('refuse: %s', (sentence, given) => {
    expect(() => resolveIntelProperties(given)).toThrow(sentence);
  });

  it('know no others', () => {
    expect(() => resolveIntelProperties({ nope: true })).toThrow("no property 'nope'");
  });
});
