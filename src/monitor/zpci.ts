import { CommandError } from '../core/errors.ts';
import type { CommandMap } from '../generated/types.ts';
import { EMPTY_BLOCK, type InformationBlock } from '../iommu/s390/information-block.ts';
import type { Outcome } from '../iommu/s390/outcome.ts';
import { ZpciUnit } from '../iommu/s390/unit.ts';
import type { Machine } from '../machine/machine.ts';
import type { HandlersOf } from './handlers-of.ts';

type Arguments = CommandMap['guest-zpci']['arguments'];
type Answer = CommandMap['guest-zpci']['returns'];

const CONFIGURATION = 15;
const FIRST_REGISTER = 2;
const DEFAULT_DMA_SPACES = 1;

/** Instructions of the built-in guest about PCI functions of s390. */
export function zpciHandlers(machine: Machine): HandlersOf<'guest-zpci'> {
  return { 'guest-zpci': (args) => new Issue(machine, args).answer() };
}

/** One instruction on its way. */
class Issue {
  readonly #machine: Machine;
  readonly #args: Arguments;
  readonly #unit: ZpciUnit;

  /** @throws CommandError on another machine */
  constructor(machine: Machine, args: Arguments) {
    const unit = machine.units.find((one): one is ZpciUnit => one instanceof ZpciUnit);
    if (unit === undefined)
      throw new CommandError('The machine has no PCI as s390 has it; start with -M s390-ccw-virtio');
    this.#machine = machine;
    this.#args = args;
    this.#unit = unit;
  }

  /** @throws CommandError when a member is missing, or names nobody */
  answer(): Answer {
    const { control, events, loadStore, logicalProcessor } = this.#unit;
    const args = this.#args;
    switch (args.instruction) {
      case 'mpcifc':
        return this.#modify();
      case 'stpcifc':
        return this.#store();
      case 'rpcit':
        return control.refresh(
          this.#handle,
          args.register ?? FIRST_REGISTER,
          this.#need('start'),
          this.#need('length'),
        );
      case 'pcilg':
        return loadStore.load(this.#place);
      case 'pcistg':
        return loadStore.store(this.#place, this.#need('value'));
      case 'clp-list':
        return { functions: logicalProcessor.list() };
      case 'clp-enable':
        return logicalProcessor.set(this.#handle, 'enable', args['dma-spaces'] ?? DEFAULT_DMA_SPACES);
      case 'clp-disable':
        return logicalProcessor.set(this.#handle, 'disable', 0);
      case 'clp-query':
        return logicalProcessor.query(this.#handle);
      case 'sclp-configure':
        return { response: logicalProcessor.configure(this.#fid) };
      case 'sclp-deconfigure':
        return { response: logicalProcessor.deconfigure(this.#fid) };
      case 'store-event-information': {
        const event = events.take();
        return event === null ? {} : { event };
      }
    }
  }

  #modify(): Outcome {
    const { block, 'block-address': address } = this.#args;
    const operands = { ...this.#controls, operation: this.#need('operation') };
    const { control } = this.#unit;
    if (address !== undefined && block === undefined) return control.modifyFrom(operands, address);
    if (block === undefined) return control.modify(operands, () => EMPTY_BLOCK);
    if (address !== undefined) throw new CommandError("Parameters 'block' and 'block-address' exclude each other");
    return control.modify(operands, () => blockOf(block));
  }

  #store(): Answer {
    const { control } = this.#unit;
    const address = this.#args['block-address'];
    const { block, ...outcome } =
      address === undefined ? control.store(this.#controls) : control.storeTo(this.#controls, address);
    if (block === undefined) return outcome;
    const { controls, base, limit, anchor, interrupts, bitVector, summary } = block;
    return { ...outcome, block: { controls, base, limit, anchor, interrupts, 'bit-vector': bitVector, summary } };
  }

  get #controls(): { handle: number; dmaSpace: number; operation: number } {
    return { handle: this.#handle, dmaSpace: this.#args['dma-space'] ?? 0, operation: 0 };
  }

  get #place(): { handle: number; space: number; offset: bigint; length: number } {
    const { space = CONFIGURATION } = this.#args;
    return { handle: this.#handle, space, offset: this.#need('offset'), length: Number(this.#need('length')) };
  }

  get #handle(): number {
    const { device, handle } = this.#args;
    return handle ?? this.#functionOf(device ?? this.#need('device')).handle;
  }

  get #fid(): number {
    const { device, fid } = this.#args;
    return fid ?? this.#functionOf(device ?? this.#need('device')).fid;
  }

  #functionOf(name: string): { handle: number; fid: number } {
    const device = this.#machine.findDevice(name);
    const found = this.#unit.functions.all().find((one) => one.device === device);
    if (found === undefined) throw new CommandError(`Device '${name}' is no zPCI function`);
    return found;
  }

  #need<Name extends keyof Arguments>(name: Name): NonNullable<Arguments[Name]> {
    const value = this.#args[name];
    if (value === undefined) throw new CommandError(`Parameter '${name}' is missing`);
    return value;
  }
}

function blockOf(given: NonNullable<Arguments['block']>): InformationBlock {
  const { format = 0, base = 0n, limit = 0n, anchor = 0n, interrupts = 0, summary = 0n } = given;
  return { ...EMPTY_BLOCK, format, base, limit, anchor, interrupts, summary, bitVector: given['bit-vector'] ?? 0n };
}
