import { getSystemErrorMap } from 'node:util';
import { messageOf } from './errors.ts';

/** The text of a system error, with the capital letter that C libraries give it; of another one its message. */
export function systemText(error: unknown): string {
  const errno = error instanceof Error && 'errno' in error ? error.errno : undefined;
  const text = typeof errno === 'number' ? getSystemErrorMap().get(errno)?.[1] : undefined;
  if (text === undefined) return messageOf(error);
  return text.charAt(0).toUpperCase() + text.slice(1);
}
