import { constants } from 'node:os';
import type { CharacterDevices } from '../machine/character-devices.ts';
import { createMachine, type MachineConfig } from '../machine/create.ts';
import type { Machine } from '../machine/machine.ts';
import { forwardEvents } from '../monitor/events.ts';
import { createHandlers } from '../monitor/handlers.ts';
import type { Identity } from '../monitor/identity.ts';
import type { Options } from '../options/options.ts';
import { protocolSchema } from '../qmp/protocol-schema.ts';
import { QmpServer } from '../qmp/server.ts';
import { programLine } from '../options/error.ts';
import { activationMonitors } from './activation.ts';
import { banner } from './banner.ts';
import { characterDeviceOf } from './character-devices.ts';
import { playCommands } from './command-file.ts';
import { tellReady } from './daemonize.ts';
import { readFirmware } from './firmware.ts';
import { followRealTime, keepVirtualTime } from './guest-time.ts';
import { writePidFile } from './pid-file.ts';
import { openQtest, type QtestService } from './qtest.ts';
import { notifyReady } from './readiness.ts';
import { refuseUnserved } from './refusals.ts';
import { defaultSocketPath } from './runtime-directory.ts';
import { type MonitorOption, type Opened, openMonitor } from './sockets.ts';
import { openTraceLog } from './tracing.ts';

/** The QEMU release whose monitor surface is spoken. */
const QEMU_VERSION = { micro: 22, minor: 2, major: 7 } as const;

function machineConfig(options: Options): MachineConfig {
  return {
    ...(options.machine.type === null ? {} : { type: options.machine.type }),
    ...(options.memory === null ? {} : { memory: options.memory }),
    properties: options.machine.values,
    noDefaults: options.noDefaults,
    startPaused: options.startPaused,
    ...(options.preconfig && { preconfig: options.startPaused ? ('stay' as const) : ('run' as const) }),
    noShutdown: options.noShutdown,
    noReboot: options.noReboot,
    devices: options.devices,
    objects: options.objects,
    globals: options.globals,
    ...(options.bios === null ? {} : { firmware: readFirmware(options.bios) }),
  };
}

function now(): { seconds: number; microseconds: number } {
  const microseconds = Math.round((performance.timeOrigin + performance.now()) * 1000);
  return { seconds: Math.floor(microseconds / 1_000_000), microseconds: microseconds % 1_000_000 };
}

/** The exit status of a daemon that was asked to end, by `quit` or a signal. */
const SUCCESS = 0;

/** Tells the user something that does not end the daemon. */
function warn(sentence: string): void {
  process.stderr.write(`${programLine('viommud', sentence)}\n`);
}

/**
 * Builds the machine, opens the monitors and serves until the machine exits.
 * @returns the exit status
 * @throws CommandError where an option cannot be honoured; nothing is left behind then
 */
export async function runDaemon(options: Options, version: string): Promise<number> {
  refuseUnserved(options);
  const traceLog = openTraceLog(options, warn, now);
  if (options.processName !== null) process.title = options.processName;
  const identity: Identity = {
    version: { qemu: QEMU_VERSION, package: `viommud-${version}` },
    ...(options.name === null ? {} : { name: options.name }),
    uuid: options.uuid ?? '00000000-0000-0000-0000-000000000000',
  };
  const machine = createMachine({ ...machineConfig(options), startPaused: true, log: { now }, traceLog });
  for (const { driver, property } of options.globals) {
    if (machine.types.get(driver) === null) warn(`warning: global ${driver}.${property} has invalid class name`);
  }
  const virtualTime = options.accelerators[0]?.name === 'qtest';
  const stopTime = virtualTime ? keepVirtualTime(machine) : followRealTime(machine, () => performance.now());
  const server = new QmpServer({
    handlers: createHandlers(machine, identity),
    schema: protocolSchema,
    version: identity.version,
    now,
    inPreconfig: () => machine.runState.inPreconfig,
    onInternalError: (error, where) => console.error(`viommud: internal error in ${where}:`, error),
  });
  forwardEvents(machine, server);

  let ended = false;
  const hasEnded = (): boolean => ended;
  const exited = new Promise<void>((resolve) => machine.onExit(() => resolve()));
  machine.onExit(() => {
    ended = true;
    server.stopDispatch();
  });
  // Standard input that ends, or the one client that we connected to, leaves nothing that would keep Node running.
  const alive = setInterval(() => {}, 2 ** 31 - 1);
  const ignoreSignals = endOnSignals(machine);
  let qtest: QtestService | null = null;
  const opened: Opened[] = [];
  let greeting: string | null = null;
  const end = async (): Promise<void> => {
    clearInterval(alive);
    stopTime();
    qtest?.close();
    for (const monitor of opened) monitor.close();
    ignoreSignals();
    await server.close();
  };
  try {
    qtest = await openQtest(machine, options, virtualTime);
    await openMonitors(server, options, opened, machine.characterDevices);
    if (opened.length === 0 && qtest === null && options.commandFile === null) {
      const path = await openDefault(server, opened, machine.characterDevices);
      greeting = banner(machine, path, version);
    }
    await clientsOf(qtest === null ? opened : [...opened, qtest], exited);
    if (options.pidFile !== null) writePidFile(options.pidFile);
    if (greeting !== null) console.log(greeting);
  } catch (error) {
    await end();
    throw error;
  }
  tellReady();
  void notifyReady(process.env, process.pid).then((complaint) => complaint === null || warn(complaint));
  // The machine is built paused, so that nothing runs before the clients that were waited for have come.
  if (!options.startPaused && !options.preconfig && !hasEnded()) machine.operations.run(() => machine.cont());
  qtest?.begin();
  let status = SUCCESS;
  try {
    if (options.commandFile !== null && !hasEnded()) {
      const played = playCommands(server, options.commandFile, (text) => process.stdout.write(text));
      status = await Promise.race([played, exited.then(() => SUCCESS)]);
      if (!hasEnded()) machine.operations.run(() => machine.quit());
    }
    await exited;
  } finally {
    // Commands that are still to be typed keep the process no longer.
    if (options.commandFile === '-') process.stdin.destroy();
    await end();
  }
  return status;
}

/** Opens the monitors that the options name and those that a service manager listens on, adding each to `opened`. */
async function openMonitors(
  server: QmpServer,
  options: Options,
  opened: Opened[],
  devices: CharacterDevices,
): Promise<void> {
  let unnamed = 0;
  for (const monitor of [...options.monitors, ...activationMonitors(process.env, process.pid)]) {
    const label = monitor.chardev ?? `compat_monitor${unnamed++}`;
    const served = await openMonitor({ server, label, warn }, monitor);
    opened.push(served);
    devices.add(characterDeviceOf(label, monitor, served));
  }
}

/** Serves on a socket in the user's own folder; returns its path. */
async function openDefault(server: QmpServer, opened: Opened[], devices: CharacterDevices): Promise<string> {
  const path = defaultSocketPath(process.env);
  const endpoint = { kind: 'unix', path, abstract: false, server: true, wait: false, reconnect: 0 } as const;
  const monitor: MonitorOption = { endpoint, pretty: false, option: `-qmp unix:${path}`, chardev: null };
  const served = await openMonitor({ server, label: 'compat_monitor0', warn }, monitor);
  opened.push(served);
  devices.add(characterDeviceOf('compat_monitor0', monitor, served));
  return path;
}

/**
 * Waits for the first client of each socket that was opened with `wait=on`, and says so as QEMU does.
 * @param exited ends the waiting
 */
async function clientsOf(opened: readonly Opened[], exited: Promise<void>): Promise<void> {
  for (const { listener, waitForClient, option } of opened) {
    if (listener === null || !waitForClient) continue;
    warn(`${option}: info: QEMU waiting for connection on: ${listener.filename}`);
    await Promise.race([listener.firstClient, exited]);
  }
}

/** Signals that ask for the end, from now until the returned function is called. */
function endOnSignals(machine: Machine): () => void {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const end = (signal: (typeof signals)[number]): void => {
    // QEMU adds who sent it, which Node does not tell.
    warn(`terminating on signal ${constants.signals[signal]}`);
    machine.operations.run(() => machine.shutdown('host-signal'));
  };
  for (const signal of signals) process.once(signal, end);
  return () => {
    for (const signal of signals) process.off(signal, end);
  };
}
