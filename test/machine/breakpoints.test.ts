import { describe, expect, it } from 'vitest';
import { MachineRig } from './support.ts';

const MIB = 1n << 20n;

/** A machine with two devices that have nothing in front of them. */
function small(startPaused = false): MachineRig {
  return new MachineRig({
    noDefaults: true,
    startPaused,
    memory: 16n * MIB,
    devices: [{ values: { driver: 'edu', id: 'e0' } }, { values: { driver: 'edu', id: 'e1' } }],
  });
}

/** Orders a DMA of `size` bytes that nobody waits for; it begins behind its reply. */
function startDma(rig: MachineRig, id: string, size = 1): void {
  const device = rig.machine.findPciDevice(id);
  rig.command((afterReply) =>
    rig.machine.dmas.start({ device, write: true, address: 0x1000n, data: new Uint8Array(size) }, 'hex', afterReply),
  );
}

/** The devices whose transfers have ended, with the operation that ordered each. */
function completed(rig: MachineRig): [string, number][] {
  return rig.model.flatMap(({ name, data }) =>
    name === 'DMA_COMPLETED' ? [[data.device, data.operation] satisfies [string, number]] : [],
  );
}

describe('a breakpoint', () => {
  it('stops the machine behind its event; cont lets it go on', () => {
    const rig = small();
    rig.machine.trace.breakpoints.add('DMA_COMPLETED', 'e1');
    startDma(rig, 'e0');
    expect(rig.machine.status()).toEqual({ status: 'running', singlestep: false, running: true });
    startDma(rig, 'e1');
    expect(rig.machine.status()).toEqual({ status: 'debug', singlestep: false, running: false });
    expect(rig.take()).toEqual(['reply {}', 'reply {}', 'STOP']);
    rig.command(() => rig.machine.cont());
    expect(rig.machine.status().status).toBe('running');
    expect(rig.take()).toEqual(['RESUME', 'reply {}']);
  });

  it('holds DMA until cont: each goes on in its order, under the operation that ordered it', () => {
    const rig = small();
    const { machine } = rig;
    machine.operations.run(() => machine.runState.break());
    startDma(rig, 'e1', 9000);
    startDma(rig, 'e0');
    expect(completed(rig)).toEqual([]);
    expect(machine.dmas.pending().map(({ waitingFor }) => waitingFor)).toEqual([
      'The machine is stopped by a breakpoint or a check: cont lets it go on',
      'The machine is stopped by a breakpoint or a check: cont lets it go on',
    ]);
    rig.command(() => machine.cont());
    expect(completed(rig)).toEqual([
      ['e1', 2],
      ['e0', 3],
    ]);
    expect(machine.dmas.pending()).toEqual([]);
  });

  it('that is met while others wait holds those again', () => {
    const rig = small();
    const { machine } = rig;
    machine.trace.breakpoints.add('DMA_COMPLETED');
    for (const id of ['e0', 'e1', 'e0']) startDma(rig, id);
    expect(completed(rig)).toHaveLength(1);
    rig.take();
    rig.command(() => machine.cont());
    expect(completed(rig)).toHaveLength(2);
    expect(rig.take()).toEqual(['RESUME', 'STOP', 'reply {}']);
    rig.command(() => machine.cont());
    expect(completed(rig).map(([id]) => id)).toEqual(['e0', 'e1', 'e0']);
    machine.trace.breakpoints.remove('break1');
    rig.command(() => machine.cont());
    expect(machine.status().status).toBe('running');
  });

  it('is passed by while the machine does not run', () => {
    const rig = small(true);
    rig.machine.trace.breakpoints.add('*');
    startDma(rig, 'e0');
    expect(rig.machine.status().status).toBe('prelaunch');
    expect(completed(rig)).toHaveLength(1);
  });

  it('and stop: the machine stays where it is', () => {
    const rig = small();
    rig.machine.operations.run(() => rig.machine.runState.break());
    rig.take();
    rig.command(() => rig.machine.stop());
    expect(rig.machine.status().status).toBe('debug');
    expect(rig.take()).toEqual(['reply {}']);
  });

  it('and a reset: what waits ends, and nothing is left to go on', () => {
    const rig = small();
    const { machine } = rig;
    machine.operations.run(() => machine.runState.break());
    startDma(rig, 'e0');
    startDma(rig, 'e1');
    rig.command((afterReply) => machine.reset(afterReply));
    expect(machine.status().status).toBe('prelaunch');
    const ends = rig.model.map(({ data }) => ('desc' in data ? data.desc : ''));
    expect(ends).toEqual([
      expect.stringContaining('after 0 bytes: The machine was reset'),
      expect.stringContaining('after 0 bytes: The machine was reset'),
    ]);
    rig.command(() => machine.cont());
    expect(rig.model).toHaveLength(2);
  });

  it('may be a check that shall stop the machine', () => {
    const rig = small();
    const { checks } = rig.machine.trace;
    checks.set('bad-unmap', { stop: true });
    rig.command(() => checks.fail('isolation', { desc: 'x' }));
    expect(rig.machine.status().status).toBe('running');
    rig.command(() => checks.fail('bad-unmap', { desc: 'y' }));
    expect(rig.machine.status().status).toBe('debug');
    expect(rig.take()).toEqual(['reply {}', 'STOP', 'reply {}']);
  });
});
