import { describe, expect, it } from 'vitest';
import { OperationCounter } from '../../src/core/operation.ts';

/** A counter, with the number that is current whenever an operation ends or is interrupted. */
function recorded(): { operations: OperationCounter; ends: number[] } {
  const operations = new OperationCounter();
  const ends: number[] = [];
  operations.onEnd(() => ends.push(operations.current));
  return { operations, ends };
}

describe('operations', () => {
  it('are numbered from 1, and one that starts inside another belongs to it', () => {
    const { operations, ends } = recorded();
    expect(operations.current).toBe(0);
    const seen = operations.run(() => [operations.current, operations.run(() => operations.current)]);
    expect(seen).toEqual([1, 1]);
    expect(operations.run(() => operations.current)).toBe(2);
    expect(ends).toEqual([1, 2]);
    expect(operations.current).toBe(0);
  });

  it('end under their own number, whatever is thrown', () => {
    const { operations, ends } = recorded();
    expect(() =>
      operations.run(() => {
        throw new RangeError('x');
      }),
    ).toThrow(RangeError);
    expect(ends).toEqual([1]);
    expect(operations.current).toBe(0);
  });

  it('that are resumed inside another one let that one speak first, and end before it goes on', () => {
    const { operations, ends } = recorded();
    const waiting = operations.run(() => operations.current);
    operations.run(() => {
      operations.resume(waiting, () => {
        expect(ends).toEqual([1, 2]);
        expect(operations.current).toBe(waiting);
      });
      expect(ends).toEqual([1, 2, 1]);
      expect(operations.current).toBe(2);
    });
    expect(ends).toEqual([1, 2, 1, 2]);
  });

  it('that resume themselves are not interrupted', () => {
    const { operations, ends } = recorded();
    operations.run(() => operations.resume(1, () => {}));
    expect(ends).toEqual([1]);
  });
});
