import { describe, expect, it } from 'vitest';
import { CommandError } from '../../src/core/errors.ts';
import { formatDevfn } from '../../src/pci/address.ts';
import { removeDevice } from '../../src/qom/device-add.ts';
import { Card, createPciWorld } from './support.ts';

function refusal(body: () => unknown): string {
  try {
    body();
  } catch (error) {
    if (error instanceof CommandError) return error.message;
    throw error;
  }
  return 'taken';
}

describe('slots of the root bus', () => {
  it('are given in order to those that ask for none', () => {
    const { cold } = createPciWorld();
    cold('card', { addr: '01.0' });
    expect([cold('card').devfn, cold('card').devfn, cold('card').devfn]).toEqual([0x00, 0x10, 0x18]);
  });

  it('are 32', () => {
    const { cold, bus } = createPciWorld();
    for (let slot = 0; slot < 32; slot += 1) expect(cold('card').slot).toBe(slot);
    expect(refusal(() => cold('card'))).toBe('PCI: no slot/function available for card, all in use or reserved');
    removeDevice(bus.deviceAt(0x38)!);
    expect(cold('card').slot).toBe(7);
  });

  it('are told by the device', () => {
    const { cold, root } = createPciWorld();
    const card = cold('card', { id: 'c', addr: '1f.0' });
    expect([card.get('addr'), card.get('legacy-addr'), card.get('multifunction')]).toEqual([0xf8, '1f.0', false]);
    expect([card.slot, card.function, card.bdf(), card.requesterId()]).toEqual([
      31,
      0,
      { segment: 0, bus: 0, device: 31, function: 0 },
      0xf8,
    ]);
    expect(root.child('machine')!.child('q35')!.child('pcie.0')!.get('child[0]')).toBe(card.path);
  });

  it.each([
    [[{ addr: '1f.0' }], { addr: '1f.0' }, 'PCI: slot 31 function 0 not available for card, in use by card,id=(null)'],
    [[{ addr: '5', id: 'e1' }], { addr: '5' }, 'PCI: slot 5 function 0 not available for card, in use by card,id=e1'],
    [[{ addr: '5.0' }], { addr: '5.1' }, "PCI: single function device can't be populated in function 5.1"],
    [
      [{ addr: '1a.0', multifunction: 'off' }],
      { addr: '1a.1', multifunction: 'on' },
      "PCI: single function device can't be populated in function 1a.1",
    ],
    [[{ addr: '5.1' }], { addr: '5.0' }, 'PCI: 5.0 indicates single function, but 5.1 is already populated.'],
    [[{ addr: '5.1' }], { addr: '5.0', multifunction: 'on' }, 'taken'],
    [[{ addr: '5.0', multifunction: 'on' }], { addr: '5.7' }, 'taken'],
    [[], { addr: '5.1' }, 'taken'],
    [[], { addr: 'zz' }, "Property 'card.addr' doesn't take value 'zz'"],
    [[], { addr: 64 }, "Property 'card.addr' doesn't take value '64'"],
    [[{ addr: '0x' }], { addr: '0x.0x' }, 'PCI: slot 0 function 0 not available for card, in use by card,id=(null)'],
  ])('%j, then %j: %s', (before, values, sentence) => {
    const { cold } = createPciWorld();
    for (const first of before) cold('card', first);
    expect(refusal(() => cold('card', values))).toBe(sentence);
  });

  it('must be visible to a guest that has looked already', () => {
    const { cold, hot, bus } = createPciWorld();
    bus.hotpluggable = true;
    cold('card', { addr: '1.0', multifunction: true });
    expect(refusal(() => hot('card', { addr: '1.2' }))).toBe(
      'PCI: slot 1 function 0 already occupied by card, new func card cannot be exposed to guest.',
    );
    expect(refusal(() => hot('card', { addr: '4.1' }))).toBe('taken');
  });

  it('are free again when the device refuses to be realized', () => {
    const { types, cold, bus } = createPciWorld();
    types.add({
      name: 'stubborn',
      parent: 'pci-device',
      create: (type) => {
        const card = new Card(type);
        card.refusal = new CommandError('no');
        return card;
      },
    });
    expect(refusal(() => cold('stubborn', { addr: '3' }))).toBe('no');
    expect(bus.functions()).toEqual([]);
    expect(bus.devices).toEqual([]);
    expect(formatDevfn(cold('card', { addr: '3' }).devfn)).toBe('03.0');
  });
});

describe('properties that nothing is behind', () => {
  it.each([
    [{ romfile: 'no.rom' }, 'failed to find romfile "no.rom"'],
    [{ romfile: 'no.rom', romsize: '31', addr: '99' }, "Property 'card.addr' doesn't take value '99'"],
    [{ romfile: 'no.rom', romsize: '31', addr: '0' }, 'ROM size 31 is not a power of two'],
    [{ romsize: '0' }, 'ROM size 0 is not a power of two'],
    [{ romsize: '2147483648', romfile: '' }, 'taken'],
    [{ romfile: 'no.rom', failover_pair_id: '' }, 'failover primary device is not an Ethernet device'],
    [{ romfile: 'no.rom', rombar: '0' }, 'taken'],
    [{ 'acpi-index': '16383' }, 'taken'],
    [{ 'acpi-index': '16384' }, 'acpi-index should be less or equal to 16383'],
  ])('%j: %s, as QEMU', (values, sentence) => {
    const { cold, bus } = createPciWorld();
    expect(refusal(() => cold('card', values))).toBe(sentence);
    expect(bus.functions()).toHaveLength(sentence === 'taken' ? 1 : 0);
  });

  it('refuse a ROM without a BAR once the machine runs', () => {
    const { hot, bus } = createPciWorld();
    bus.hotpluggable = true;
    expect(refusal(() => hot('card', { romfile: 'no.rom', rombar: 0 }))).toBe(
      "Hot-plugged device without ROM bar can't have an option ROM",
    );
  });
});

describe('slots behind a root port', () => {
  it('take a device in slot 0 first', () => {
    const { cold, hot } = createPciWorld();
    cold('pcie-root-port', { id: 'rp1', chassis: 1 });
    expect(hot('card', { bus: 'rp1', id: 'a' }).devfn).toBe(0);
    expect(hot('card', { bus: 'rp1', id: 'b' }).devfn).toBe(8);
  });

  it.each([
    ['0.0', 'PCI: slot 0 function 0 not available for card, in use by card,id=e1'],
    ['3.0', 'PCI: slot 0 function 0 already occupied by card, new func card cannot be exposed to guest.'],
    ['3.1', 'PCI: slot 0 function 0 already occupied by card, new func card cannot be exposed to guest.'],
  ])('refuse %s once slot 0 is taken', (addr, sentence) => {
    const { cold, hot } = createPciWorld();
    cold('pcie-root-port', { id: 'rp1', chassis: 1 });
    hot('card', { bus: 'rp1', id: 'e1' });
    expect(refusal(() => hot('card', { bus: 'rp1', addr }))).toBe(sentence);
  });

  it('take devices only where the bus allows it', () => {
    const { cold, hot } = createPciWorld();
    cold('pcie-root-port', { id: 'rp1', chassis: 1, hotplug: 'off' });
    expect(refusal(() => hot('card', { bus: 'rp1' }))).toBe("Bus 'rp1' does not support hotplugging");
    expect(refusal(() => hot('card'))).toBe("Bus 'pcie.0' does not support hotplugging");
    expect(cold('card', { bus: 'rp1' }).bus.busName).toBe('rp1');
  });
});
