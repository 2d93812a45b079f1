import { CommandError } from '../core/errors.ts';
import { membersInWireOrder } from '../wire/member-order.ts';
import { isWireObject, type WireObject, type WireValue } from '../wire/values.ts';

/** A request whose shape is good: what to run, how, and with which arguments (not yet validated). */
export interface Request {
  readonly command: string;
  readonly outOfBand: boolean;
  readonly arguments: WireObject | undefined;
}

/** The id to be echoed in the reply, undefined where there is none. Any JSON value will do, null too. */
export function requestId(message: WireValue): WireValue | undefined {
  return isWireObject(message) ? message['id'] : undefined;
}

/**
 * Whether a message takes the fast path past the in-band queue. Its shape is not looked at any further, so that the
 * errors of such a request overtake the queue as well; one that has both verbs is queued, and fails there.
 */
export function isOutOfBandRequest(message: WireValue): boolean {
  return isWireObject(message) && message['exec-oob'] !== undefined && message['execute'] === undefined;
}

/**
 * Checks the outer shape of a message, in the order of QEMU.
 *
 * @param outOfBandEnabled whether this session has negotiated `oob`; without it `exec-oob` is an unexpected member
 * @throws CommandError with QEMU's sentence for the offending member that its member order visits first
 */
export function readRequest(message: WireValue, outOfBandEnabled: boolean): Request {
  if (!isWireObject(message)) throw new CommandError('QMP input must be a JSON object');
  const verb = message['execute'];
  const args = message['arguments'];
  // A well-formed request needs no member order. Sorting is left to the refusal, which costs more anyway.
  for (const member in message) {
    if (member === 'id') continue;
    if (member === 'execute' && typeof verb === 'string') continue;
    if (member === 'arguments' && isWireObject(args)) continue;
    if (member === 'exec-oob' && outOfBandEnabled && verb === undefined && typeof message[member] === 'string')
      continue;
    throw firstOffence(message, outOfBandEnabled);
  }
  const argumentsObject = isWireObject(args) ? args : undefined;
  if (typeof verb === 'string') return { command: verb, outOfBand: false, arguments: argumentsObject };
  const outOfBandVerb = message['exec-oob'];
  if (typeof outOfBandVerb === 'string') {
    return { command: outOfBandVerb, outOfBand: true, arguments: argumentsObject };
  }
  throw new CommandError("QMP input lacks member 'execute'");
}

function firstOffence(message: WireObject, outOfBandEnabled: boolean): CommandError {
  let verb: string | undefined;
  for (const member of membersInWireOrder(message)) {
    const value = message[member];
    if (member === 'execute' || (member === 'exec-oob' && outOfBandEnabled)) {
      if (typeof value !== 'string') return new CommandError(`QMP input member '${member}' must be a string`);
      if (verb !== undefined) return new CommandError(`QMP input member '${member}' clashes with '${verb}'`);
      verb = member;
    } else if (member === 'arguments') {
      if (!isWireObject(value)) return new CommandError("QMP input member 'arguments' must be an object");
    } else if (member !== 'id') {
      return new CommandError(`QMP input member '${member}' is unexpected`);
    }
  }
  throw new Error('a request was refused in which nothing is wrong');
}
