import { CommandError } from '../core/errors.ts';
import type { MachineInfo } from '../generated/types.ts';
import { type MachineType, machineTypes } from '../machine/types.ts';
import { optionGroups } from '../options/groups.ts';
import type { HandlersOf } from './handlers-of.ts';

function describe(type: MachineType): MachineInfo {
  return {
    name: type.name,
    ...(type.alias === undefined ? {} : { alias: type.alias }),
    ...(type.isDefault ? { 'is-default': true } : {}),
    'cpu-max': type.cpuMax,
    'hotpluggable-cpus': false,
    'numa-mem-supported': false,
    deprecated: false,
    'default-ram-id': type.ramId,
  };
}

/** What management programs ask at first, answered as a machine without processors and KVM does. */
export function probeHandlers(): HandlersOf<
  | 'query-machines'
  | 'query-cpu-definitions'
  | 'query-cpu-model-expansion'
  | 'query-sev-capabilities'
  | 'query-sgx-capabilities'
  | 'query-command-line-options'
> {
  return {
    'query-machines': () => machineTypes().map(describe),
    'query-cpu-definitions': () => [],
    'query-cpu-model-expansion': ({ model }) => {
      throw new CommandError(`CPU model '${model.name}' not found`);
    },
    'query-sev-capabilities': () => {
      throw new CommandError('KVM not enabled');
    },
    'query-sgx-capabilities': () => {
      throw new CommandError('SGX is not enabled in KVM');
    },
    'query-command-line-options': ({ option }) => {
      const groups = optionGroups();
      if (option === undefined) return groups;
      const found = groups.filter((group) => group.option === option);
      if (found.length === 0) throw new CommandError(`invalid option name: ${option}`);
      return found;
    },
  };
}
