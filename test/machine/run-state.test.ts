import { describe, expect, it } from 'vitest';
import { RunState, type RunStatus } from '../../src/machine/run-state.ts';
import { MachineRig } from './support.ts';

const RESET = 'RESET {"guest":false,"reason":"host-qmp-system-reset"}';
const SHUTDOWN = 'SHUTDOWN {"guest":false,"reason":"host-qmp-system-reset"}';
const QUIT = 'SHUTDOWN {"guest":false,"reason":"host-qmp-quit"}';

type Command = 'stop' | 'cont' | 'system_reset' | 'system_powerdown' | 'quit';

function run(rig: MachineRig, command: Command): [string, ...string[]] {
  const { machine } = rig;
  rig.take();
  const commands: Record<Command, (afterReply: (action: () => void) => void) => void> = {
    stop: () => machine.stop(),
    cont: () => machine.cont(),
    system_reset: (afterReply) => machine.reset(afterReply),
    system_powerdown: () => machine.powerdown(),
    quit: (afterReply) => machine.quit(afterReply),
  };
  rig.command(commands[command]);
  return [machine.status().status, ...rig.take()];
}

/** Commands in turn, each with the status behind it and what was told. */
function expectRun(rig: MachineRig, steps: [Command, RunStatus, ...string[]][]): void {
  for (const [command, ...expected] of steps) expect([command, ...run(rig, command)]).toEqual([command, ...expected]);
}

describe('the run state, as QEMU 7.2 answers', () => {
  it('with -S', () => {
    const rig = new MachineRig({ type: 'q35', startPaused: true });
    expect(rig.machine.status()).toEqual({ status: 'prelaunch', singlestep: false, running: false });
    expectRun(rig, [
      ['stop', 'prelaunch', 'reply {}'],
      ['cont', 'running', 'RESUME', 'reply {}'],
      ['cont', 'running', 'reply {}'],
      ['stop', 'paused', 'STOP', 'reply {}'],
      ['stop', 'paused', 'reply {}'],
      ['system_reset', 'prelaunch', RESET, 'reply {}'],
      ['cont', 'running', 'RESUME', 'reply {}'],
      ['system_powerdown', 'running', 'POWERDOWN', 'reply {}'],
      ['system_reset', 'running', RESET, 'reply {}'],
      ['quit', 'running', QUIT, 'reply {}'],
    ]);
    expect(rig.exits).toBe(1);
  });

  it('with -no-shutdown', () => {
    const rig = new MachineRig({ type: 'q35', noShutdown: true });
    expectRun(rig, [
      ['system_reset', 'running', RESET, 'reply {}'],
      ['system_powerdown', 'running', 'POWERDOWN', 'reply {}'],
      ['quit', 'running', QUIT, 'reply {}'],
    ]);
    expect(rig.exits).toBe(1);
  });

  it('with -no-reboot: a reset ends the process, behind its reply', () => {
    const rig = new MachineRig({ type: 'q35', noReboot: true });
    let exitsAtReply = -1;
    rig.machine.subscribe(() => (exitsAtReply = rig.exits));
    expectRun(rig, [['system_reset', 'running', SHUTDOWN, 'reply {}']]);
    expect([exitsAtReply, rig.exits]).toEqual([0, 1]);
  });

  it('with -no-shutdown and -no-reboot', () => {
    const rig = new MachineRig({ type: 'q35', noShutdown: true, noReboot: true });
    expectRun(rig, [
      ['system_reset', 'shutdown', SHUTDOWN, 'STOP', 'reply {}'],
      ['cont', 'shutdown', 'reply Resetting the Virtual Machine is required'],
      ['system_reset', 'shutdown', SHUTDOWN, 'reply {}'],
      ['cont', 'shutdown', 'reply Resetting the Virtual Machine is required'],
      ['stop', 'shutdown', 'reply {}'],
      ['quit', 'shutdown', QUIT, 'reply {}'],
    ]);
    expect(rig.exits).toBe(1);
  });

  it('with -no-shutdown, -no-reboot and -S: what did not run is not stopped', () => {
    const rig = new MachineRig({ type: 'q35', noShutdown: true, noReboot: true, startPaused: true });
    expectRun(rig, [
      ['system_reset', 'prelaunch', SHUTDOWN, 'reply {}'],
      ['cont', 'running', 'RESUME', 'reply {}'],
    ]);
    expect(rig.exits).toBe(0);
  });

  it('a signal ends the process', () => {
    const rig = new MachineRig({ noShutdown: true });
    rig.machine.shutdown('host-signal');
    expect(rig.take()).toEqual(['SHUTDOWN {"guest":false,"reason":"host-signal"}']);
    expect(rig.exits).toBe(1);
  });

  it.each([
    ['run', 'running', ['RESUME']],
    ['stay', 'prelaunch', []],
  ] as const)('waits for the end of preconfig, and may %s then', (preconfig, status, told) => {
    const rig = new MachineRig({ type: 'none', preconfig });
    const { runState } = rig.machine;
    expect([runState.inPreconfig, runState.status]).toEqual([true, 'prelaunch']);
    runState.exitPreconfig();
    expect([runState.inPreconfig, runState.status]).toEqual([false, status]);
    expect(rig.take()).toEqual(told);
    expect(() => runState.exitPreconfig()).toThrow('The command is permitted only before machine initialization');
  });

  it('is saved and restored', () => {
    const told: string[] = [];
    const state = new RunState({
      startPaused: false,
      noShutdown: false,
      noReboot: false,
      tell: ({ name }) => told.push(name),
      resetModel: () => {},
    });
    const running = state.save();
    state.stop();
    const paused = state.save();
    state.restore(running);
    expect(state.running).toBe(true);
    state.restore(paused);
    expect(state.status).toBe('paused');
    expect(told).toEqual(['STOP']);
  });
});

describe('subscriptions', () => {
  it('end when asked to', () => {
    const rig = new MachineRig();
    const names: string[] = [];
    const end = rig.machine.subscribe(({ name }) => names.push(name));
    rig.machine.stop();
    end();
    rig.machine.cont();
    expect(names).toEqual(['STOP']);
  });
});
