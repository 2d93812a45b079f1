import { describe, expect, it } from 'vitest';
import { OperationCounter } from '../../src/core/operation.ts';
import { type EventPage, EventLog } from '../../src/trace/event-log.ts';
import { ModelEvents } from '../../src/trace/model-events.ts';

/** A log of `size` events whose wall clock counts seconds. */
function recorded(size?: number) {
  const events = new ModelEvents(new OperationCounter());
  let seconds = 0;
  const now = () => ({ seconds: ++seconds, microseconds: 0 });
  const log = new EventLog(events, { now, ...(size !== undefined && { size }) });
  const emit = (count = 1): void => {
    for (let at = 0; at < count; at++) events.emit('DMA_COMPLETED', { dma: 1, device: 'nic0', status: 'ok' });
  };
  return { events, log, emit };
}

/** The sequences of a page, where to go on, and whether something was lost. */
function told({ events, next, lost }: EventPage): [number[], number, boolean] {
  return [events.map(({ event }) => event.data.sequence), next, lost];
}

describe('the event log', () => {
  it('is empty at first, and whoever waits for the first event goes on from there', () => {
    const { log, emit } = recorded();
    expect(told(log.read())).toEqual([[], 1, false]);
    expect(told(log.read(1))).toEqual([[], 1, false]);
    emit();
    expect(told(log.read(1))).toEqual([[1], 2, false]);
  });

  it('gives any part of what it holds', () => {
    const { log, emit } = recorded();
    emit(5);
    expect(told(log.read())).toEqual([[1, 2, 3, 4, 5], 6, false]);
    expect(told(log.read(3, 2))).toEqual([[3, 4], 5, false]);
    expect(told(log.read(5, 2))).toEqual([[5], 6, false]);
  });

  it('never goes back: what lies ahead is not there yet', () => {
    const { log, emit } = recorded();
    emit(2);
    expect(told(log.read(7, 3))).toEqual([[], 7, false]);
  });

  it('holds the latest ones, and says when wanted ones are gone', () => {
    const { log, emit } = recorded(4);
    emit(10);
    expect(told(log.read())).toEqual([[7, 8, 9, 10], 11, false]);
    expect(told(log.read(7))).toEqual([[7, 8, 9, 10], 11, false]);
    expect(told(log.read(6, 2))).toEqual([[7, 8], 9, true]);
    expect(told(log.read(1, 1))).toEqual([[7], 8, true]);
  });

  it('read page by page gives each event once, whatever the size and the page', () => {
    for (const size of [1, 3, 8]) {
      for (const limit of [1, 2, 5]) {
        const { log, emit } = recorded(size);
        const seen: number[] = [];
        let next = 1;
        for (let round = 0; round < 20; round++) {
          emit(round % 2);
          const page = log.read(next, limit);
          expect(page.lost).toBe(false);
          seen.push(...told(page)[0]);
          ({ next } = page);
        }
        expect(seen, `size ${size}, limit ${limit}`).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
      }
    }
  });

  it('tells each event with the time stamp that it keeps', () => {
    const { log, emit } = recorded();
    const sent: [number, number][] = [];
    log.subscribe(({ event, timestamp }) => sent.push([event.data.sequence, timestamp.seconds]));
    emit(2);
    expect(sent).toEqual([
      [1, 1],
      [2, 2],
    ]);
    expect(log.read().events.map(({ timestamp }) => timestamp.seconds)).toEqual([1, 2]);
  });

  it('is saved and restored, into a smaller one too', () => {
    const { events, log, emit } = recorded(4);
    emit(6);
    const saved = structuredClone({ events: events.save(), log: log.save() });
    for (const size of [4, 2, 8]) {
      const other = recorded(size);
      other.emit(1);
      other.events.restore(saved.events);
      other.log.restore(saved.log);
      expect(other.log.read(6)).toEqual(log.read(6));
      expect(told(other.log.read())[0]).toEqual([3, 4, 5, 6].slice(-size));
      other.emit();
      expect(told(other.log.read(7))).toEqual([[7], 8, false]);
      expect(told(other.log.read(2, 1))[2]).toBe(true);
    }
  });
});
