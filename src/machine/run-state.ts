import { CommandError } from '../core/errors.ts';
import type { Snapshottable } from '../trace/snapshot.ts';
import { type AfterReply, type MachineEvent, type ShutdownReason, Subscribers } from './machine-events.ts';

export type RunStatus = 'prelaunch' | 'running' | 'paused' | 'debug' | 'shutdown';

export interface RunStateOptions {
  /** Stay in `prelaunch` until `cont`. */
  readonly startPaused: boolean;
  /** Waits in `prelaunch` for `exitPreconfig`, and what that does then; absent: it does not wait. */
  readonly preconfig?: 'run' | 'stay';
  /** A shutdown leaves the process alive, in status `shutdown`. */
  readonly noShutdown: boolean;
  /** A reset is a shutdown. */
  readonly noReboot: boolean;
  readonly tell: (event: MachineEvent) => void;
  /** Returns the model to its state at start. */
  readonly resetModel: () => void;
}

/** What `set-action` changes; what is absent stays. */
export interface RunStateActions {
  /** A reset is a shutdown. */
  readonly noReboot?: boolean;
  /** A shutdown leaves the process alive, in status `shutdown`. */
  readonly noShutdown?: boolean;
}

/** Whether the machine runs, and QEMU's events about it: each is told before the reply of the command that caused it. */
export class RunState implements Snapshottable<{ status: RunStatus }> {
  readonly #options: RunStateOptions;
  readonly #exits = new Subscribers<void>();
  #noReboot: boolean;
  #noShutdown: boolean;
  #preconfig: 'run' | 'stay' | null;
  #status: RunStatus;

  constructor(options: RunStateOptions) {
    this.#options = options;
    this.#noReboot = options.noReboot;
    this.#noShutdown = options.noShutdown;
    this.#preconfig = options.preconfig ?? null;
    this.#status = options.startPaused || this.#preconfig !== null ? 'prelaunch' : 'running';
  }

  get status(): RunStatus {
    return this.#status;
  }

  get running(): boolean {
    return this.#status === 'running';
  }

  /** Whether the machine waits for `exitPreconfig`. */
  get inPreconfig(): boolean {
    return this.#preconfig !== null;
  }

  /** `listener` is called when the process shall end. */
  onExit(listener: () => void): () => void {
    return this.#exits.add(listener);
  }

  /** Nothing happens, and nothing is told, unless the machine runs. */
  stop(): void {
    this.#halt('paused');
  }

  /** As `stop`, for a breakpoint or a check: devices' DMA waits until `cont`. */
  break(): void {
    this.#halt('debug');
  }

  /** @throws CommandError after a shutdown */
  cont(): void {
    if (this.running) return;
    if (this.#status === 'shutdown') throw new CommandError('Resetting the Virtual Machine is required');
    this.#status = 'running';
    this.#options.tell({ name: 'RESUME' });
  }

  /** From now on; no part of a saved state, as the options that say the same at the start. */
  setActions(actions: RunStateActions): void {
    this.#noReboot = actions.noReboot ?? this.#noReboot;
    this.#noShutdown = actions.noShutdown ?? this.#noShutdown;
  }

  /** The end of the wait that `preconfig` asked for. @throws CommandError when there is none */
  exitPreconfig(): void {
    const next = this.#preconfig;
    if (next === null) throw new CommandError('The command is permitted only before machine initialization');
    this.#preconfig = null;
    if (next === 'run') this.cont();
  }

  powerdown(): void {
    this.#options.tell({ name: 'POWERDOWN' });
  }

  /**
   * A machine that did not run waits for `cont` again; one that stops for a breakpoint or a check on the way is in
   * `debug`. With `noReboot` the machine is not reset but shut down.
   * @returns whether it was reset
   */
  reset(afterReply: AfterReply): boolean {
    const reason = 'host-qmp-system-reset';
    if (this.#noReboot) {
      this.#shutDown(reason, this.#noShutdown, afterReply);
      return false;
    }
    const ran = this.running;
    this.#options.resetModel();
    this.#options.tell({ name: 'RESET', data: { guest: false, reason } });
    if (!ran) this.#status = 'prelaunch';
    return true;
  }

  /** Ends the process, `noShutdown` or not: `quit` and signals do. */
  exit(reason: ShutdownReason, afterReply: AfterReply): void {
    this.#shutDown(reason, false, afterReply);
  }

  save(): { status: RunStatus } {
    return { status: this.#status };
  }

  restore(state: { status: RunStatus }): void {
    this.#status = state.status;
  }

  #halt(status: 'paused' | 'debug'): void {
    if (!this.running) return;
    this.#status = status;
    this.#options.tell({ name: 'STOP' });
  }

  #shutDown(reason: ShutdownReason, stayAlive: boolean, afterReply: AfterReply): void {
    this.#options.tell({ name: 'SHUTDOWN', data: { guest: false, reason } });
    if (!stayAlive) {
      afterReply(() => this.#exits.tell());
      return;
    }
    if (!this.running) return;
    this.#status = 'shutdown';
    this.#options.tell({ name: 'STOP' });
  }
}
