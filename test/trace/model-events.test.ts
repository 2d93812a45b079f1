import { describe, expect, it } from 'vitest';
import { OperationCounter } from '../../src/core/operation.ts';
import { type HeldEvents, ModelEvents } from '../../src/trace/model-events.ts';

/** Events, told as the number of their operation and their device; `hold` keeps one for a device. */
function recorded() {
  const operations = new OperationCounter();
  const events = new ModelEvents(operations);
  const told: string[] = [];
  events.subscribe(({ data }) => told.push(`${data.operation} ${'device' in data ? data.device : ''}`));
  const emit = (device: string): void => events.emit('DMA_COMPLETED', { dma: 1, device: device, status: 'ok' });
  const hold = (device: string, rank = 0): void => {
    const held: HeldEvents = { rank, release: () => emit(device) };
    events.hold(held);
  };
  return { operations, events, told, emit, hold };
}

describe('model events', () => {
  it('have gapless sequence numbers from 1', () => {
    const { events, emit } = recorded();
    const sequences: number[] = [];
    events.subscribe(({ data }) => sequences.push(data.sequence));
    for (const device of ['a', 'b', 'c']) emit(device);
    expect(sequences).toEqual([1, 2, 3]);
    expect(events.sequence).toBe(3);
  });

  it('that are held go out before the next one and at the end of the operation, causes first', () => {
    const { operations, told, emit, hold } = recorded();
    operations.run(() => {
      hold('effect', 1);
      hold('cause', 0);
      emit('next');
      hold('last');
    });
    hold('at once');
    expect(told).toEqual(['1 cause', '1 effect', '1 next', '1 last', '0 at once']);
  });

  it('of an operation that another one interrupts keep its number, and so do those of the other', () => {
    const { operations, told, emit, hold } = recorded();
    const waiting = operations.run(() => operations.current);
    operations.run(() => {
      hold('outer');
      operations.resume(waiting, () => hold('inner'));
      emit('outer again');
    });
    expect(told).toEqual(['2 outer', '1 inner', '2 outer again']);
  });

  it('reach followers behind all subscribers, those that subscribed later among them', () => {
    const { events, emit } = recorded();
    const order: string[] = [];
    events.follow(() => order.push('follower'));
    const end = events.subscribe(() => order.push('subscriber'));
    emit('a');
    end();
    emit('b');
    expect(order).toEqual(['subscriber', 'follower', 'follower']);
  });
});
