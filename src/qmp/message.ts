import type { ErrorClass } from '../core/errors.ts';
import { canonicalOrder, encode, encodeLine } from '../wire/encoder.ts';
import type { WireOutput, WireValue } from '../wire/values.ts';

/*
 * The four kinds of messages that a server sends, each as one line with its CRLF. The envelopes have QEMU's member
 * order, which is that of its dictionary's buckets: return, id; id, error; timestamp, event, data. An echoed id has
 * that order inside as well; results and event data keep the order in which they were built.
 */

/** What the greeting and `query-version` tell. */
export interface Version {
  readonly qemu: { readonly micro: number; readonly minor: number; readonly major: number };
  readonly package: string;
}

/** The wall clock: seconds since 1970 and the microseconds of that second, 0 to 999999. */
export interface Timestamp {
  readonly seconds: number;
  readonly microseconds: number;
}

/** The first line of every connection. */
export function greetingLine(version: Version, capabilities: readonly string[], pretty: boolean): string {
  const { micro, minor, major } = version.qemu;
  const greeting = { version: { qemu: { micro, minor, major }, package: version.package }, capabilities };
  return encodeLine({ QMP: greeting }, pretty);
}

/** The reply of a command that succeeded; `result` undefined is the empty object. */
export function successLine(result: WireOutput | undefined, id: WireValue | undefined, pretty: boolean): string {
  if (pretty) return encodeLine({ return: result ?? {}, id: echoed(id) }, true);
  const text = result === undefined ? '{}' : encode(result);
  // Put together by hand: this line is most of what a pipelining client makes us do.
  return id === undefined ? `{"return": ${text}}\r\n` : `{"return": ${text}, "id": ${encodeId(id)}}\r\n`;
}

/** The reply of a command that failed, and of input that was no command. */
export function errorLine(errorClass: ErrorClass, desc: string, id: WireValue | undefined, pretty: boolean): string {
  return encodeLine({ id: echoed(id), error: { class: errorClass, desc } }, pretty);
}

function encodeId(id: WireValue): string {
  return typeof id === 'number' ? String(id) : encode(canonicalOrder(id));
}

function echoed(id: WireValue | undefined): WireOutput | undefined {
  return id === undefined ? undefined : canonicalOrder(id);
}
