import type { OperationCounter } from '../core/operation.ts';
import { Breakpoints, type BreakpointsState } from './breakpoints.ts';
import { Checks, type ChecksState } from './checks.ts';
import { EventLog, type EventLogOptions, type EventLogState } from './event-log.ts';
import { FaultPoints, type FaultPointsState } from './fault-points.ts';
import { ModelEvents } from './model-events.ts';
import type { TracePoints } from './points/table.ts';
import type { Snapshottable } from './snapshot.ts';
import { TraceLog } from './trace-log.ts';

/** What the rooms of the model speak through, and ask before they do what can be made to go wrong. */
export interface TraceParts {
  readonly events: ModelEvents;
  readonly checks: Checks;
  readonly faults: FaultPoints;
  readonly points: TracePoints;
}

export interface TraceState {
  readonly events: { sequence: number };
  readonly checks: ChecksState;
  readonly faults: FaultPointsState;
  readonly log: EventLogState;
  readonly breakpoints: BreakpointsState;
}

/** Everything by which one model is watched and disturbed. */
export class Trace implements Snapshottable<TraceState> {
  /** What the rooms get. */
  readonly parts: TraceParts;
  readonly log: EventLog;
  readonly breakpoints = new Breakpoints();

  /** Trace points, and which of them are on. */
  readonly traceLog: TraceLog;

  /** Without `log` its time stamps are 0; without `traceLog` the lines of trace points go nowhere. */
  constructor(
    operations: OperationCounter,
    log: EventLogOptions = { now: () => ({ seconds: 0, microseconds: 0 }) },
    traceLog = new TraceLog(),
  ) {
    const events = new ModelEvents(operations);
    const checks = new Checks({ events, operations });
    this.traceLog = traceLog;
    this.parts = { events, checks, faults: new FaultPoints(), points: traceLog.points };
    this.log = new EventLog(events, log);
  }

  get events(): ModelEvents {
    return this.parts.events;
  }

  get checks(): Checks {
    return this.parts.checks;
  }

  get faults(): FaultPoints {
    return this.parts.faults;
  }

  /** `stop` is called when a breakpoint is met or a check fails that shall stop the machine, after the event is out. */
  onBreak(stop: () => void): void {
    this.events.follow((event) => {
      if (this.breakpoints.matches(event)) stop();
    });
    this.checks.onStop(stop);
  }

  save(): TraceState {
    return {
      events: this.events.save(),
      checks: this.checks.save(),
      faults: this.faults.save(),
      log: this.log.save(),
      breakpoints: this.breakpoints.save(),
    };
  }

  restore(state: TraceState): void {
    this.events.restore(state.events);
    this.checks.restore(state.checks);
    this.faults.restore(state.faults);
    this.log.restore(state.log);
    this.breakpoints.restore(state.breakpoints);
  }
}
