import type { Machine } from '../machine/machine.ts';
import type { QmpServer } from '../qmp/server.ts';

/** Sends what the machine and its model say to every client that has negotiated. */
export function forwardEvents(machine: Machine, server: QmpServer): void {
  machine.trace.log.subscribe(({ event: { name, data }, timestamp }) => server.emit(name, data, timestamp));
  machine.subscribe((event) => {
    if ('data' in event) server.emit(event.name, event.data);
    else server.emit(event.name);
  });
}
