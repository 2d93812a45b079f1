import type { Handlers } from '../qmp/commands.ts';

/** The handlers that one module serves. */
export type HandlersOf<Name extends keyof Handlers> = Pick<Handlers, Name>;
