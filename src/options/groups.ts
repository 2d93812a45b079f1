import { characterDevices } from './character-device.ts';
import { bootOrder, clock, globals, instructionCount, memory, names, topology } from './machine-options.ts';
import { monitors } from './monitor-options.ts';
import type { ParameterKind, ParameterList } from './parameters.ts';
import { actionParameters, message, traces } from './process-options.ts';

/** An option with parameters, as `query-command-line-options` tells it. */
export interface OptionGroup {
  /** The name of its sections in a configuration file. */
  readonly option: string;
  /** Empty where it takes any. */
  readonly parameters: { name: string; type: 'string' | 'boolean' | 'number' | 'size' }[];
}

const types: Readonly<Record<ParameterKind, OptionGroup['parameters'][number]['type']>> = {
  string: 'string',
  switch: 'boolean',
  number: 'number',
  size: 'size',
};

/** In QEMU's order; null where any parameter is taken. */
const lists: readonly (readonly [string, ParameterList | null])[] = [
  ['machine', null],
  ['action', actionParameters],
  ['icount', instructionCount],
  ['name', names],
  ['msg', message],
  ['object', null],
  ['boot-opts', bootOrder],
  ['smp-opts', topology],
  ['memory', memory],
  ['accel', null],
  ['trace', traces],
  ['mon', monitors],
  ['global', globals],
  ['rtc', clock],
  ['device', null],
  ['chardev', characterDevices],
];

/** All options with parameters; QEMU lists the parameters from the last to the first. */
export function optionGroups(): OptionGroup[] {
  return lists.map(([option, list]) => ({
    option,
    parameters: Object.entries(list?.parameters ?? {})
      .map(([name, kind]) => ({ name, type: types[kind] }))
      .toReversed(),
  }));
}
