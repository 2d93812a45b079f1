import { describe, expect, it } from 'vitest';
import { createMachine } from '../../src/machine/create.ts';
import type { MachineEvent } from '../../src/machine/machine-events.ts';
import { powerHandlers } from '../../src/monitor/power.ts';
import type { CommandContext } from '../../src/qmp/commands.ts';

const context: CommandContext = {
  client: { id: 1 },
  afterReply: (action) => action(),
  prepare: () => () => ({}),
};

function rigOf(...[config]: Parameters<typeof createMachine>) {
  const machine = createMachine(config);
  const events: MachineEvent['name'][] = [];
  machine.subscribe(({ name }) => events.push(name));
  return { machine, events, handlers: powerHandlers(machine) };
}

describe('set-action', () => {
  it('makes a reset a shutdown, and keeps the daemon, from then on', () => {
    const { machine, events, handlers } = rigOf({ type: 'none' });
    void handlers['set-action']({ reboot: 'shutdown', shutdown: 'pause' }, context);
    machine.operations.run(() => machine.reset());
    expect(events).toEqual(['SHUTDOWN', 'STOP']);
    expect(machine.status().status).toBe('shutdown');
  });

  it('leaves what is not named as the options of the start said', () => {
    const { machine, events, handlers } = rigOf({ type: 'none', noReboot: true, noShutdown: true });
    void handlers['set-action']({ panic: 'none', watchdog: 'reset' }, context);
    machine.operations.run(() => machine.reset());
    expect(machine.status().status).toBe('shutdown');
    void handlers['set-action']({ reboot: 'reset' }, context);
    machine.operations.run(() => machine.reset());
    expect(events).toEqual(['SHUTDOWN', 'STOP', 'RESET']);
  });
});

// Recorded from QEMU 7.2.22 but for the processors, and for s390-ccw-virtio, whose board has no ICH9.
describe.each([
  ['q35', true, 'Unable to wake up: guest is not in suspended state'],
  ['viommu', true, 'Unable to wake up: guest is not in suspended state'],
  ['s390-ccw-virtio', false, 'wake-up from suspend is not supported by this guest'],
  ['none', false, 'wake-up from suspend is not supported by this guest'],
])('machine %s', (type, wakes, sentence) => {
  const { handlers } = rigOf({ type });

  it('says whether it can be woken, and is not suspended', () => {
    expect(handlers['query-current-machine']({}, context)).toEqual({ 'wakeup-suspend-support': wakes });
    expect(() => handlers.system_wakeup({}, context)).toThrow(sentence);
  });

  it('has ACPI slots, though none of them, where there is an ICH9', () => {
    const ask = (): unknown => handlers['query-acpi-ospm-status']({}, context);
    if (wakes) expect(ask()).toEqual([]);
    else expect(ask).toThrow('command is not supported, missing ACPI device');
  });

  it('takes an NMI unless it is none', () => {
    const inject = (): unknown => handlers['inject-nmi']({}, context);
    if (type !== 'none') expect(inject()).toEqual({});
    else expect(inject).toThrow('this feature or command is not currently supported');
  });
});
