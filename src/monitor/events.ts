import type { Machine } from '../machine/machine.ts';
import type { QmpServer } from '../qmp/server.ts';

/** Sends what the machine and its model say to every client that has negotiated. */
export function forwardEvents(machine: Machine, server: QmpServer): void {
  machine.events.subscribe(({ name, data }) => server.emit(name, data));
  machine.subscribe((event) => {
    if ('data' in event) server.emit(event.name, event.data);
    else server.emit(event.name);
  });
}
