import { CommandError } from '../core/errors.ts';
import {
  bool,
  enumeration,
  int64,
  link,
  onOffAuto,
  type PropertyKind,
  size,
  str,
  string,
  uint64,
} from '../qom/kinds.ts';
import type { QomObject } from '../qom/object.ts';
import { objectProperty, type Property, readonlyProperty } from '../qom/property.ts';
import type { QomValue } from '../qom/value.ts';
import { MachineObject } from './machine-object.ts';

/*
 * What QEMU's machines have as properties, in the order of its listings. Those that steer what the model does not have
 * are taken and told, because harnesses always pass them, and change nothing.
 */

const LARGEST_FIRMWARE = 16n << 20n;

const int: PropertyKind<bigint> = { ...uint64, type: 'int' };
/** QEMU spells it as the C type. */
const uint64T: PropertyKind<bigint> = { ...uint64, type: 'uint64_t' };

function setting<Value>(name: string, kind: PropertyKind<Value>, value: Value, description?: string): Property<Value> {
  return objectProperty(name, kind, value, description === undefined ? {} : { description });
}

/** As `setting`, of values for which `refusal` has no sentence. */
function limited<Value>(
  name: string,
  kind: PropertyKind<Value>,
  value: Value,
  description: string,
  refusal: (value: Value) => string | null,
): Property<Value> {
  const property: Property<Value> = objectProperty(name, kind, value, {
    description,
    apply: (object, given) => {
      const sentence = refusal(given);
      if (sentence !== null) throw new CommandError(sentence);
      object.assign(property, given);
    },
  });
  return property;
}

function tooLong(name: string, text: string | null, limit: number): string | null {
  return Buffer.byteLength(text ?? '') > limit
    ? `User specified ${name} value is bigger than ${limit} bytes in size`
    : null;
}

/** A property of a structured type: it tells what the command line settled. */
function structure(
  name: string,
  type: string,
  description: string,
  get: (machine: MachineObject) => QomValue,
): Property<unknown> {
  const kind: PropertyKind<QomValue> = { ...(str as PropertyKind<never>), type, encode: (value) => value };
  return readonlyProperty(name, kind, (object) => get(machineOf(object)), { description });
}

function machineOf(object: QomObject): MachineObject {
  if (!(object instanceof MachineObject)) throw new Error(`${object.path} is no machine`);
  return object;
}

export const firmwareProperty = setting('firmware', string, null, 'Firmware image');

const oneProcessor = { cpus: 1, maxcpus: 1, threads: 1, cores: 1, dies: 1, sockets: 1, clusters: 1 } as const;

/** Of every machine. */
export const machineProperties: readonly Property<unknown>[] = [
  setting('kernel', string, null, 'Linux kernel image file'),
  setting('dt-compatible', string, null, 'Overrides the "compatible" property of the dt root node'),
  structure('boot', 'BootConfiguration', 'Boot configuration', (machine) => ({
    order: machine.isA('x86-machine') ? 'cad' : '',
  })),
  structure('memory', 'MemorySizeConfiguration', 'Memory size configuration', ({ memorySize }) => ({
    size: memorySize,
  })),
  setting('initrd', string, null, 'Linux initial ramdisk file'),
  setting(
    'confidential-guest-support',
    link('confidential-guest-support'),
    null,
    'Set confidential guest scheme to support',
  ),
  setting('graphics', bool, true, 'Set on/off to enable/disable graphics emulation'),
  setting('usb', bool, false, 'Set on/off to enable/disable usb'),
  firmwareProperty,
  setting('memory-encryption', string, null, 'Set memory encryption object to use'),
  structure('smp', 'SMPConfiguration', 'CPU topology', () => ({ ...oneProcessor })),
  setting('dump-guest-core', bool, true, 'Include guest memory in a core dump'),
  setting('phandle-start', { ...int64, type: 'int' }, 0n, 'The first phandle ID we may generate dynamically'),
  setting('dumpdtb', string, null, 'Dump current dtb to a file and quit'),
  readonlyProperty('memory-backend', link('memory-backend'), (object) => machineOf(object).memoryBackend, {
    description: 'Set RAM backendValid value is ID of hostmem based backend',
  }),
  setting('dtb', string, null, 'Linux kernel device tree file'),
  setting('mem-merge', bool, true, 'Enable/disable memory merge support'),
  setting('append', string, null, 'Linux kernel command line'),
  setting('suppress-vmdesc', bool, false, 'Set on to disable self-describing migration'),
];

/** Of machines of the x86 architecture. */
export const x86Properties: readonly Property<unknown>[] = [
  setting('smm', onOffAuto, 'auto', 'Enable SMM'),
  setting('acpi', onOffAuto, 'auto', 'Enable ACPI'),
  setting('pit', onOffAuto, 'auto', 'Enable i8254 PIT'),
  setting('pic', onOffAuto, 'auto', 'Enable i8259 PIC'),
  limited(
    'x-oem-table-id',
    string,
    'BXPC    ',
    'Override the default value of field OEM Table ID in ACPI table header.The string may be up to 8 bytes in size',
    (text) => tooLong('x-oem-table-id', text, 8),
  ),
  setting('bus-lock-ratelimit', uint64T, 0n, 'Set the ratelimit for the bus locks acquired in VMs'),
  structure('sgx-epc', 'SgxEPC', 'SGX EPC device', () => []),
  limited(
    'x-oem-id',
    string,
    'BOCHS ',
    'Override the default value of field OEMID in ACPI table header.The string may be up to 6 bytes in size',
    (text) => tooLong('x-oem-id', text, 6),
  ),
];

/** Of PCs. */
export const pcProperties: readonly Property<unknown>[] = [
  limited('max-fw-size', size, 0x80_0000n, 'Maximum combined firmware size', (bytes) =>
    bytes > LARGEST_FIRMWARE
      ? `User specified max allowed firmware size ${bytes} is greater than 16MiB. If combined firwmare size exceeds ` +
        '16MiB the system may not boot, or experience intermittentstability issues.'
      : null,
  ),
  setting('default-bus-bypass-iommu', bool, false),
  readonlyProperty('device-memory-region-size', int, () => 0n),
  setting('sata', bool, true, 'Enable/disable Serial ATA bus'),
  setting('vmport', onOffAuto, 'on', 'Enable vmport (pc & q35)'),
  setting('i8042', bool, true),
  setting('hpet', bool, true, 'Enable/disable high precision event timer emulation'),
  setting(
    'smbios-entry-point-type',
    { ...enumeration('SmbiosEntryPointType', ['32', '64']), type: 'str' },
    '32',
    'SMBIOS Entry Point type [32, 64]',
  ),
  limited('max-ram-below-4g', size, 1n << 32n, 'Maximum ram below the 4G boundary (32bit boundary)', (bytes) =>
    bytes > 1n << 32n ? `Machine option 'max-ram-below-4g=${bytes}' expects size less than or equal to 4G` : null,
  ),
  setting('smbus', bool, true, 'Enable/disable system management bus'),
];

/** Of the boards; each machine adds them to itself when it is made. */
export const boardProperties: readonly Property<unknown>[] = [
  setting('nvdimm', bool, false, 'Set on/off to enable/disable NVDIMM instantiation'),
  setting('nvdimm-persistence', string, null, 'Set NVDIMM persistenceValid values are cpu, mem-ctrl'),
  setting('cxl', bool, false, 'Set on/off to enable/disable CXL instantiation'),
  structure('cxl-fmw', 'CXLFixedMemoryWindow', 'CXL Fixed Memory Windows (array)', () => []),
  setting('hmat', bool, false, 'Set on/off to enable/disable ACPI Heterogeneous Memory Attribute Table (HMAT)'),
  setting('pcspk-audiodev', str, null, 'ID of an audiodev to use as a backend'),
];
