import { CommandError } from '../../core/errors.ts';
import type { Machine } from '../../machine/machine.ts';
import { switchTracePoints, tracePointsOf } from '../traces.ts';
import type { HumanCommand } from './command.ts';
import { UsageError } from './usage-error.ts';

/** What `body` prints; a refusal is printed as it is, without `Error:` in front. */
function printed(body: () => string): string {
  try {
    return body();
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return `${error.message}\n`;
  }
}

/** `info trace-events`. */
export function traceTopic({ trace: { traceLog } }: Machine): HumanCommand {
  return {
    names: ['trace-events'],
    parameters: [
      { kind: 'string', name: 'name', optional: true },
      { kind: 'number', name: 'vcpu', optional: true },
    ],
    usage: '[name] [vcpu]',
    help: 'show available trace-events & their state (name: event name pattern; vcpu: vCPU to query, default is any)',
    run: ({ strings: [name = '*'], numbers: [vcpu] }) =>
      printed(() =>
        tracePointsOf(traceLog, { name, vcpu })
          .map((point) => `${point.name} : state ${point.enabled ? 1 : 0}\n`)
          .join(''),
      ),
  };
}

/** `trace-event`. */
export function traceCommand({ trace: { traceLog } }: Machine): HumanCommand {
  return {
    names: ['trace-event'],
    parameters: [
      { kind: 'string', name: 'name' },
      { kind: 'string', name: 'option', optional: true },
      { kind: 'number', name: 'vcpu', optional: true },
    ],
    usage: 'name on|off [vcpu]',
    help: 'changes status of a specific trace event (vcpu: vCPU to set, default is all)',
    run: ({ strings: [name, option], numbers: [vcpu] }) => {
      if (option !== 'on' && option !== 'off') throw new UsageError("Expected 'on' or 'off'");
      return printed(() => {
        switchTracePoints(traceLog, { name: name!, vcpu }, option === 'on');
        return '';
      });
    },
  };
}
