import { decodeData, encodeData } from '../machine/data-encoding.ts';
import type { DmaOrder } from '../machine/dma-table.ts';
import type { Machine } from '../machine/machine.ts';
import type { HandlersOf } from './handlers-of.ts';
import { checkTransfer } from './memory.ts';

/** DMA on command, as the device itself would do it. */
export function dmaHandlers(machine: Machine): HandlersOf<'dma-read' | 'dma-write'> {
  const order = (
    args: { device: string; address: bigint; pasid?: number | undefined },
    write: boolean,
    data: Uint8Array,
  ): DmaOrder => ({
    device: machine.findDevice(args.device),
    write,
    address: args.address,
    data,
    ...(args.pasid === undefined ? {} : { pasid: args.pasid }),
  });
  return {
    'dma-read': (args, context) => {
      checkTransfer(args.address, args.size, 'size');
      const encoding = args.encoding ?? 'base64';
      const asked = order(args, false, new Uint8Array(Number(args.size)));
      if (args.wait === false) {
        return { dma: machine.dmas.start(asked, encoding, (action) => context.afterReply(action)) };
      }
      const moved = machine.dmas.run(asked);
      return moved instanceof Promise
        ? moved.then((bytes) => ({ data: encodeData(bytes, encoding) }))
        : { data: encodeData(moved, encoding) };
    },
    'dma-write': (args, context) => {
      const encoding = args.encoding ?? 'base64';
      const bytes = decodeData(args.data, encoding, 'data');
      checkTransfer(args.address, BigInt(bytes.length), 'data');
      const asked = order(args, true, bytes);
      if (args.wait === false) {
        return { dma: machine.dmas.start(asked, encoding, (action) => context.afterReply(action)) };
      }
      const moved = machine.dmas.run(asked);
      return moved instanceof Promise ? moved.then(() => ({})) : {};
    },
  };
}
