import type { MonitorOption } from './sockets.ts';

/** The first descriptor that a service manager hands down. */
const FIRST_DESCRIPTOR = 3;

/**
 * The sockets that a service manager (systemd) listens on for this process, as monitors that speak QMP. What tells of
 * them is taken out of the environment, so that no process that this one starts takes them for its own.
 * @param environment `LISTEN_PID`, `LISTEN_FDS` are read and removed
 * @param processId of this process; sockets for another one are none of ours
 */
export function activationMonitors(environment: NodeJS.ProcessEnv, processId: number): MonitorOption[] {
  const { LISTEN_PID: owner, LISTEN_FDS: count } = environment;
  delete environment['LISTEN_PID'];
  delete environment['LISTEN_FDS'];
  delete environment['LISTEN_FDNAMES'];
  if (Number(owner) !== processId || !/^\d+$/.test(count ?? '')) return [];
  return Array.from({ length: Number(count) }, (_, index): MonitorOption => {
    const fd = FIRST_DESCRIPTOR + index;
    const endpoint = { kind: 'fd', fd, server: true, wait: false, reconnect: 0 } as const;
    return { endpoint, pretty: false, chardev: null, option: `LISTEN_FDS=${count}` };
  });
}
