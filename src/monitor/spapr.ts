import { CommandError } from '../core/errors.ts';
import type { CommandMap } from '../generated/types.ts';
import { Processor } from '../guest/processor.ts';
import { callRtas } from '../guest/spapr/platform.ts';
import { Hypercall } from '../iommu/spapr/hypercalls.ts';
import { RtasToken } from '../iommu/spapr/rtas.ts';
import { SpaprTceUnit } from '../iommu/spapr/unit.ts';
import { platformOf } from '../machine/guests.ts';
import type { Machine } from '../machine/machine.ts';
import type { HandlersOf } from './handlers-of.ts';

type HypercallName = NonNullable<CommandMap['guest-hypercall']['arguments']['hypercall']>;
type RtasCallName = NonNullable<CommandMap['guest-rtas']['arguments']['call']>;

const HYPERCALLS: Readonly<Record<HypercallName, number>> = {
  H_GET_TCE: Hypercall.getTce,
  H_PUT_TCE: Hypercall.putTce,
  H_STUFF_TCE: Hypercall.stuffTce,
  H_PUT_TCE_INDIRECT: Hypercall.putTceIndirect,
  H_RTAS: Hypercall.rtas,
};

const RTAS_CALLS: Readonly<Record<RtasCallName, number>> = {
  'ibm,set-tce-bypass': RtasToken.setTceBypass,
  'ibm,query-pe-dma-window': RtasToken.queryDmaWindow,
  'ibm,create-pe-dma-window': RtasToken.createDmaWindow,
  'ibm,remove-pe-dma-window': RtasToken.removeDmaWindow,
  'ibm,reset-pe-dma-window': RtasToken.resetDmaWindow,
};

/** Registers r4 to r12. */
const MOST_ARGUMENTS = 9;

/** What the built-in guest asks of the hypervisor of a pSeries machine. */
export function spaprHandlers(machine: Machine): HandlersOf<'guest-hypercall' | 'guest-rtas' | 'query-tce-windows'> {
  return {
    'guest-hypercall': ({ hypercall, number, arguments: args }) => {
      const unit = unitOf(machine);
      const chosen = choose('hypercall', hypercall && HYPERCALLS[hypercall], 'number', number);
      if (args.length > MOST_ARGUMENTS) {
        throw new CommandError(`${args.length} arguments are too many: a hypercall has ${MOST_ARGUMENTS} at most`);
      }
      const { status, values } = unit.hypercalls.call(chosen, args);
      return { status, values: [...values] };
    },
    'guest-rtas': ({ call, token, arguments: args, returns, buffer }) => {
      const platform = platformOf(unitOf(machine));
      const chosen = choose('call', call && RTAS_CALLS[call], 'token', token);
      const processor = new Processor(machine.memory);
      const outside = processor.firstOutsideRam(buffer, BigInt(4 * (3 + args.length + returns)));
      if (outside !== null)
        throw new CommandError(`The buffer is no RAM at 0x${outside.toString(16)}; give another one`);
      const [status = 0, ...values] = callRtas({ processor, platform, buffer }, chosen, args, returns);
      return { status, values: values.map((value) => value >>> 0) };
    },
    'query-tce-windows': () => ({
      windows: machine.units.flatMap((unit) => (unit instanceof SpaprTceUnit ? unit.windows() : [])),
    }),
  };
}

/** @throws CommandError for a machine without hypervisor */
function unitOf(machine: Machine): SpaprTceUnit {
  const unit = machine.units.find((one) => one instanceof SpaprTceUnit);
  if (unit instanceof SpaprTceUnit) return unit;
  throw new CommandError(`Machine '${machine.type.name}' has no hypercalls; start with -M pseries`);
}

/** The number that a command gives by a name or as such. @throws CommandError unless by exactly one */
function choose(nameOf: string, named: number | undefined, numberOf: string, number: number | undefined): number {
  if (named !== undefined && number !== undefined) {
    throw new CommandError(`Parameters '${nameOf}' and '${numberOf}' say the same; give one of them`);
  }
  const chosen = named ?? number;
  if (chosen === undefined) throw new CommandError(`Parameter '${nameOf}' is missing`);
  return chosen;
}
