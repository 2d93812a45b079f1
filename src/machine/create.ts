import { CommandError } from '../core/errors.ts';
import type { HostOptions } from '../host/host.ts';
import type { GlobalProperty } from '../qom/type-registry.ts';
import type { EventLogOptions } from '../trace/event-log.ts';
import type { TraceLog } from '../trace/trace-log.ts';
import type { DeviceValues } from './hotplug.ts';
import { Machine } from './machine.ts';
import { findMachineType, type MachineType } from './types.ts';

/** One -device or -object. */
interface Part {
  /** Texts, or with `typed` values of the wire. */
  readonly values: DeviceValues;
  readonly typed?: boolean;
  /** The option as written, `-device edu,id=x`, which a refusal names. */
  readonly option?: string;
}

/** What the command line says about the machine. */
export interface MachineConfig {
  /** A machine's name or alias; default `viommu`. */
  readonly type?: string;
  /** RAM in bytes; absent: as the machine has it. */
  readonly memory?: bigint;
  readonly noDefaults?: boolean;
  readonly startPaused?: boolean;
  /** Waits in `prelaunch` for `x-exit-preconfig`, and runs or stays there then. */
  readonly preconfig?: 'run' | 'stay';
  readonly noShutdown?: boolean;
  readonly noReboot?: boolean;
  /** Properties of the machine: unplug-ack, and those that change nothing here. */
  readonly properties?: DeviceValues;
  /** `-M viommu,…` as written. */
  readonly option?: string;
  readonly devices?: readonly Part[];
  readonly objects?: readonly Part[];
  /** `-global`, for devices that are added; those that the board brings along are made before. */
  readonly globals?: readonly GlobalProperty[];
  readonly host?: HostOptions;
  /** The log of the model's events: without it their time stamps are 0. */
  readonly log?: EventLogOptions;
  /** Where trace points write: without it, nowhere. */
  readonly traceLog?: TraceLog;
  /** What `-bios` names: mapped so that it ends at 4 GiB. A multiple of 64 KiB. */
  readonly firmware?: Uint8Array;
}

/** What QEMU prints below a sentence on the command line, and only there. */
const HINTS: ReadonlyMap<string, string> = new Map([
  ['No provided host device', 'Use -device vfio-pci,host=DDDD:BB:DD.F or -device vfio-pci,sysfsdev=PATH_TO_DEVICE'],
  [
    "Parameter 'id' expects an identifier",
    "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter.",
  ],
]);

/**
 * Builds a machine: its board and RAM, the objects, the vIOMMUs, the other devices.
 * @throws CommandError for the first part that is refused: `-device edu,nope=1: Property 'edu.nope' not found`, with
 *   QEMU's hint on a second line where it has one
 */
export function createMachine(config: MachineConfig = {}): Machine {
  const type = findMachineType(config.type ?? 'viommu');
  const noDefaults = config.noDefaults ?? false;
  const host = config.host ?? type.host;
  const machine = new Machine({
    type,
    memory: config.memory ?? (noDefaults ? type.memory.noDefaults : type.memory.defaults),
    startPaused: config.startPaused ?? false,
    ...(config.preconfig !== undefined && { preconfig: config.preconfig }),
    noShutdown: config.noShutdown ?? false,
    noReboot: config.noReboot ?? false,
    ...(host !== undefined && { host }),
    ...(config.log !== undefined && { log: config.log }),
    ...(config.traceLog !== undefined && { traceLog: config.traceLog }),
    ...(config.firmware !== undefined && { firmware: config.firmware }),
  });
  for (const [name, value] of Object.entries(config.properties ?? {})) {
    withOption(config.option, () => machine.tree.machine.setText(name, String(value)));
  }
  machine.types.globals.push(...(config.globals ?? []));
  for (const part of config.objects ?? []) {
    withOption(part.option, () => machine.objectAdd(part.values, { typed: part.typed ?? false }));
  }
  for (const part of partsInOrder(machine, type, noDefaults, config.devices ?? [])) {
    withOption(part.option, () => machine.deviceAdd(part.values, { typed: part.typed ?? false }));
  }
  machine.finish();
  return machine;
}

/** The types of vIOMMUs that `-device` makes. */
const UNIT_TYPES = ['x86-iommu', 'virtio-iommu-pci'] as const;

/** vIOMMUs come first, wherever they were written: a device finds its address space when it is realized. */
function partsInOrder(machine: Machine, type: MachineType, noDefaults: boolean, parts: readonly Part[]): Part[] {
  const isUnit = ({ values }: Part): boolean => {
    const { driver } = values;
    if (typeof driver !== 'string') return false;
    const driverType = machine.types.get(driver);
    return UNIT_TYPES.some((name) => driverType?.isA(name) === true);
  };
  const units = parts.filter(isUnit);
  // A unit may name the function that is its own: that one has to be there.
  const named = new Set(units.map(({ values }) => values['pci-id']));
  const isNamed = ({ values }: Part): boolean => values['id'] !== undefined && named.has(values['id']);
  const others = parts.filter((part) => !isUnit(part) && !isNamed(part));
  const first = parts.filter((part) => !isUnit(part) && isNamed(part));
  if (units.length === 0 && !noDefaults && type.defaultIommu !== null) units.push({ values: type.defaultIommu });
  return [...first, ...units, ...others];
}

function withOption(option: string | undefined, body: () => void): void {
  try {
    body();
  } catch (error) {
    if (option === undefined || !(error instanceof CommandError)) throw error;
    const hint = HINTS.get(error.message);
    throw new CommandError(`${option}: ${error.message}${hint === undefined ? '' : `\n${hint}`}`, error.errorClass);
  }
}
