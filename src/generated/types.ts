// Generated from schema/ by npm run generate. Do not edit.

/** Any JSON value. A number that is no 64-bit integer is an object with its value. */
export type AnyValue = null | boolean | string | number | bigint | FloatValue | AnyValue[] | AnyObject;

/** A number on the wire that is no 64-bit integer. */
export interface FloatValue {
  readonly value: number;
}

/** Any JSON object. */
export interface AnyObject {
  [member: string]: AnyValue;
}

/** The arguments of a command that has none, the return of one that returns nothing, the data of an event without. */
export type Empty = Record<string, never>;

/** A 64-bit address or size: an integer from 0 to 18446744073709551615, or a string of `0x` and 1 to 16 hexadecimal digits. Replies and events always carry integers. */
export type Address = bigint;

/** How bytes are written in a string. */
export type Encoding = 'base64' | 'hex';

/** What a DMA asks for. */
export type Access = 'read' | 'write' | 'execute';

/** One right that a translation gives. Arrays of rights are in the order read, write, execute. */
export type Permission = 'read' | 'write' | 'execute';

/** Who caused a bind or a flush. */
export type Origin = 'command' | 'guest';

/** One translation cache and its counters. */
export interface CacheInfo {
  /** Which cache: `context`, `pasid`, `iotlb` or `device`, with the device's name behind a colon where each device has its own. */
  name: string;
  /** Entries held now. */
  entries: number;
  /** The most entries that it can hold. */
  size: number;
  /** Lookups that found an entry, since the start. */
  hits: number;
  /** Lookups that found none, since the start. */
  misses: number;
}

/** What one listener answered to a notification. */
export interface ListenerStatus {
  /** Name of the listener. */
  listener: string;
  /** The device that the listener serves: its id, or its QOM path. */
  device: string;
  /** What stands behind the listener. */
  kind: ListenerKind;
  /** Whether it did what was asked. */
  status: ListenerResult;
  /** Why it failed, with status `error`. */
  desc?: string | undefined;
}

/** What stands behind a listener. */
export type ListenerKind = 'vfio' | 'vhost' | 'device';

/** How a listener took a notification. */
export type ListenerResult = 'ok' | 'error';

/** A capability that a client may enable while negotiating. */
export type QMPCapability = 'oob';

/** A version in three numbers. */
export interface VersionTriple {
  /** The first number. */
  major: number;
  /** The second number. */
  minor: number;
  /** The third number. */
  micro: number;
}

/** Which monitor this is. */
export interface VersionInfo {
  /** The QEMU release whose monitor surface this daemon speaks. */
  qemu: VersionTriple;
  /** `viommud-` and the version of this daemon. */
  package: string;
}

/** One command. */
export interface CommandInfo {
  /** The name to `execute`. */
  name: string;
}

/** One client that is connected to a monitor socket. */
export interface ClientInfo {
  /** Number of the connection, from 1, never given twice. */
  id: number;
  /** The socket that it came through, for instance `unix:/run/viommud.sock`. */
  socket: string;
  /** True once `qmp_capabilities` has succeeded; before that it gets no events. */
  negotiated: boolean;
  /** True when it has enabled out-of-band execution. */
  oob: boolean;
  /** Events that wait because the client does not read. */
  'queued-events': number;
  /** Events dropped for this client since it connected. */
  'lost-events': number;
}

/** One command of a batch. */
export interface BatchCommand {
  /** Its name; not `qmp_capabilities`, `quit` or `batch`. */
  execute: string;
  /** Its arguments; absent: none. */
  arguments?: BatchedArguments | undefined;
}

/** The arguments of the command, as that one wants them. */
export type BatchedArguments = {} & AnyObject;

/** How one command of a batch ended: with one of the two members. */
export interface BatchResult {
  /** What it returned. */
  return?: AnyValue | undefined;
  /** Why it failed. */
  error?: BatchError | undefined;
}

/** An error, as in the reply of a command by itself. */
export interface BatchError {
  /** The class of the error. */
  class: string;
  /** The sentence. */
  desc: string;
}

/** The JSON type of a predefined type. */
export type JSONType = 'string' | 'number' | 'int' | 'boolean' | 'null' | 'object' | 'array' | 'value';

/** One value of an enumeration. */
export interface SchemaInfoEnumMember {
  /** The value. */
  name: string;
  /** Names of its features. */
  features?: readonly string[] | undefined;
}

/** One member of an object. */
export interface SchemaInfoObjectMember {
  /** The member's name. */
  name: string;
  /** Name of its type. */
  type: string;
  /** Present, and always null, when the member may be left out. */
  default?: AnyValue | undefined;
  /** Names of its features. */
  features?: readonly string[] | undefined;
}

/** The members that one value of a union's tag adds. */
export interface SchemaInfoObjectVariant {
  /** The tag's value. */
  case: string;
  /** Name of the object type with the further members. */
  type: string;
}

/** One choice of an alternate. */
export interface SchemaInfoAlternateMember {
  /** Name of the type. */
  type: string;
}

/** A predefined type. */
export interface SchemaInfoBuiltin {
  /** Selects this variant. */
  'meta-type': 'builtin';
  /** The entity's name. Types other than the predefined ones have decimal names without meaning. */
  name: string;
  /** Names of its features. */
  features?: readonly string[] | undefined;
  /** The JSON type on the wire. */
  'json-type': JSONType;
}

/** An enumeration. */
export interface SchemaInfoEnum {
  /** Selects this variant. */
  'meta-type': 'enum';
  /** The entity's name. Types other than the predefined ones have decimal names without meaning. */
  name: string;
  /** Names of its features. */
  features?: readonly string[] | undefined;
  /** The values. */
  members: readonly SchemaInfoEnumMember[];
  /** The values' names. */
  values: readonly string[];
}

/** An array. */
export interface SchemaInfoArray {
  /** Selects this variant. */
  'meta-type': 'array';
  /** The entity's name. Types other than the predefined ones have decimal names without meaning. */
  name: string;
  /** Names of its features. */
  features?: readonly string[] | undefined;
  /** Name of the elements' type. */
  'element-type': string;
}

/** An object. */
export interface SchemaInfoObject {
  /** Selects this variant. */
  'meta-type': 'object';
  /** The entity's name. Types other than the predefined ones have decimal names without meaning. */
  name: string;
  /** Names of its features. */
  features?: readonly string[] | undefined;
  /** The members that it always has. */
  members: readonly SchemaInfoObjectMember[];
  /** Name of the member that selects the variant. */
  tag?: string | undefined;
  /** Further members by the tag's value. */
  variants?: readonly SchemaInfoObjectVariant[] | undefined;
}

/** A choice by JSON type. */
export interface SchemaInfoAlternate {
  /** Selects this variant. */
  'meta-type': 'alternate';
  /** The entity's name. Types other than the predefined ones have decimal names without meaning. */
  name: string;
  /** Names of its features. */
  features?: readonly string[] | undefined;
  /** The choices. */
  members: readonly SchemaInfoAlternateMember[];
}

/** A command. */
export interface SchemaInfoCommand {
  /** Selects this variant. */
  'meta-type': 'command';
  /** The entity's name. Types other than the predefined ones have decimal names without meaning. */
  name: string;
  /** Names of its features. */
  features?: readonly string[] | undefined;
  /** Name of the object type of its arguments. */
  'arg-type': string;
  /** Name of the type of its return. */
  'ret-type': string;
  /** True when it may run out-of-band; absent otherwise. */
  'allow-oob'?: boolean | undefined;
}

/** An event. */
export interface SchemaInfoEvent {
  /** Selects this variant. */
  'meta-type': 'event';
  /** The entity's name. Types other than the predefined ones have decimal names without meaning. */
  name: string;
  /** Names of its features. */
  features?: readonly string[] | undefined;
  /** Name of the object type of its data. */
  'arg-type': string;
}

/** One entry of the schema: a command, an event or a type. */
export type SchemaInfo =
  | SchemaInfoBuiltin
  | SchemaInfoEnum
  | SchemaInfoArray
  | SchemaInfoObject
  | SchemaInfoAlternate
  | SchemaInfoCommand
  | SchemaInfoEvent;

/** Which SchemaInfo it is. */
export type SchemaInfoMetaType = 'builtin' | 'enum' | 'array' | 'object' | 'alternate' | 'command' | 'event';

/** A character device. */
export interface ChardevInfo {
  /** Its id; `compat_monitor` and a number for -qmp. */
  label: string;
  /** What it is connected to. */
  filename: string;
  /** Whether something uses it. */
  'frontend-open': boolean;
}

/** Arguments of qmp_capabilities. */
export interface QmpCapabilitiesArguments {
  /** Capabilities to enable, of those that the greeting offers. */
  enable?: readonly QMPCapability[] | undefined;
}

/** What query-clients returns. */
export interface QueryClientsReturn {
  /** The clients, in the order in which they connected. */
  clients: readonly ClientInfo[];
}

/** Arguments of set-event-filter. */
export interface SetEventFilterArguments {
  /** Globs over names of events, in which `*` is any number of characters and `?` is one: only events that match one of them are sent. Default: all events. With no glob in it: none. */
  include?: readonly string[] | undefined;
  /** Globs over names of events: those that match one of them are not sent, whatever `include` says. Default: none. */
  exclude?: readonly string[] | undefined;
}

/** Arguments of batch. */
export interface BatchArguments {
  /** The commands. */
  commands: readonly BatchCommand[];
}

/** What batch returns. */
export interface BatchReturn {
  /** One for each command that ran, in their order; an error is the last. */
  results: readonly BatchResult[];
}

/** Arguments of human-monitor-command. */
export interface HumanMonitorCommandArguments {
  /** The command with its arguments, as typed. */
  'command-line': string;
  /** The CPU that the command looks at. */
  'cpu-index'?: bigint | undefined;
}

/** Data of EVENT_LOSS. */
export interface EventLossEvent {
  /** How many events were dropped. */
  lost: number;
  /** Sequence number of the first model event dropped; absent if none was. */
  from?: number | undefined;
  /** Sequence number of the last model event dropped; absent if none was. */
  to?: number | undefined;
}

/** What the machine is doing. The values are QEMU's; this daemon itself uses `prelaunch`, `running`, `paused`, `debug` and `shutdown`. */
export type RunState =
  | 'debug'
  | 'inmigrate'
  | 'internal-error'
  | 'io-error'
  | 'paused'
  | 'postmigrate'
  | 'prelaunch'
  | 'finish-migrate'
  | 'restore-vm'
  | 'running'
  | 'save-vm'
  | 'shutdown'
  | 'suspended'
  | 'watchdog'
  | 'guest-panicked'
  | 'colo';

/** The run state. */
export interface StatusInfo {
  /** True when devices may run. */
  running: boolean;
  /** Always false: there are no CPUs to step. */
  singlestep: boolean;
  /** The state. */
  status: RunState;
}

/** The name of the machine. */
export interface NameInfo {
  /** What option -name gave; absent without it. */
  name?: string | undefined;
}

/** The UUID of the machine. */
export interface UuidInfo {
  /** What option -uuid gave, in lower case; all zeros without it. */
  UUID: string;
}

/** An instruction set. */
export type SysEmuTarget =
  | 'aarch64'
  | 'alpha'
  | 'arm'
  | 'avr'
  | 'cris'
  | 'hppa'
  | 'i386'
  | 'loongarch64'
  | 'm68k'
  | 'microblaze'
  | 'microblazeel'
  | 'mips'
  | 'mips64'
  | 'mips64el'
  | 'mipsel'
  | 'nios2'
  | 'or1k'
  | 'ppc'
  | 'ppc64'
  | 'riscv32'
  | 'riscv64'
  | 'rx'
  | 's390x'
  | 'sh4'
  | 'sh4eb'
  | 'sparc'
  | 'sparc64'
  | 'tricore'
  | 'x86_64'
  | 'xtensa'
  | 'xtensaeb';

/** What the machine emulates. */
export interface TargetInfo {
  /** The instruction set that the machine belongs to. */
  arch: SysEmuTarget;
}

/** Whether KVM is used. */
export interface KvmInfo {
  /** True when KVM is in use: never here. */
  enabled: boolean;
  /** True, as QEMU's build tells it: -accel kvm is taken, too. Clients go by `enabled`. */
  present: boolean;
}

/** How much RAM the machine has. */
export interface MemoryInfo {
  /** RAM in bytes that the machine started with. */
  'base-memory': bigint;
  /** RAM in bytes that was plugged in later; absent where that is not possible. */
  'plugged-memory'?: bigint | undefined;
}

/** Why the machine was shut down or reset. */
export type ShutdownCause =
  | 'none'
  | 'host-error'
  | 'host-qmp-quit'
  | 'host-qmp-system-reset'
  | 'host-signal'
  | 'host-ui'
  | 'guest-shutdown'
  | 'guest-reset'
  | 'guest-panic'
  | 'subsystem-reset'
  | 'snapshot-load';

/** What a reset does. */
export type RebootAction = 'reset' | 'shutdown';

/** What becomes of the daemon when the machine is shut down. */
export type ShutdownAction = 'poweroff' | 'pause';

/** What a panic of the guest does: there is no guest that could panic. */
export type PanicAction = 'pause' | 'shutdown' | 'exit-failure' | 'none';

/** What a watchdog does: there is none. */
export type WatchdogAction = 'reset' | 'shutdown' | 'poweroff' | 'pause' | 'debug' | 'none' | 'inject-nmi';

/** A processor. */
export interface CpuInfoFast {
  /** Its number. */
  'cpu-index': number;
  /** Its path in the object tree. */
  'qom-path': string;
  /** The thread of the host that runs it. */
  'thread-id': number;
  /** Where it sits. */
  props?: CpuInstanceProperties | undefined;
  /** Its instruction set. */
  target: SysEmuTarget;
}

/** Where a processor sits. */
export interface CpuInstanceProperties {
  /** The NUMA node. */
  'node-id'?: number | undefined;
  /** The socket. */
  'socket-id'?: number | undefined;
  /** The die in it. */
  'die-id'?: number | undefined;
  /** The cluster in it. */
  'cluster-id'?: number | undefined;
  /** The core in it. */
  'core-id'?: number | undefined;
  /** The thread in it. */
  'thread-id'?: number | undefined;
}

/** A place for a processor. */
export interface HotpluggableCPU {
  /** The type to plug. */
  type: string;
  /** How many processors that makes. */
  'vcpus-count': number;
  /** Where. */
  props: CpuInstanceProperties;
  /** What is plugged there; absent while free. */
  'qom-path'?: string | undefined;
}

/** What the machine can do. */
export interface CurrentMachineParams {
  /** Whether it can be woken from suspend. */
  'wakeup-suspend-support': boolean;
}

/** What an ACPI slot holds. */
export type ACPISlotType = 'DIMM' | 'CPU';

/** What the guest said about an ACPI slot. */
export interface ACPIOSTInfo {
  /** The id of the device in it; absent when it is empty. */
  device?: string | undefined;
  /** The slot. */
  slot: string;
  /** What it holds. */
  'slot-type': ACPISlotType;
  /** The first argument of _OST. */
  source: number;
  /** The second one. */
  status: number;
}

/** A machine that -M can name. */
export interface MachineInfo {
  /** The name that -M takes. */
  name: string;
  /** Another name for it. */
  alias?: string | undefined;
  /** True for the machine without -M; absent otherwise. */
  'is-default'?: boolean | undefined;
  /** How many processors -smp may ask for. */
  'cpu-max': number;
  /** Whether processors can be hot-plugged. */
  'hotpluggable-cpus': boolean;
  /** Whether -numa takes `mem`. */
  'numa-mem-supported': boolean;
  /** Whether the machine will go. */
  deprecated: boolean;
  /** The type of its processors. */
  'default-cpu-type'?: string | undefined;
  /** The object under `/objects` that holds the RAM. */
  'default-ram-id'?: string | undefined;
}

/** A model of processors. */
export interface CpuDefinitionInfo {
  /** The model's name. */
  name: string;
  /** Whether guests can be migrated with it. */
  'migration-safe'?: boolean | undefined;
  /** Whether it is always the same. */
  static: boolean;
  /** What keeps it from running here. */
  'unavailable-features'?: readonly string[] | undefined;
  /** The type's name. */
  typename: string;
  /** The model that it is another name for. */
  'alias-of'?: string | undefined;
  /** Whether the model will go. */
  deprecated: boolean;
}

/** A model of processors with properties. */
export interface CpuModelInfo {
  /** The model's name. */
  name: string;
  /** Its properties by name. */
  props?: AnyValue | undefined;
}

/** How far a model is spelled out. */
export type CpuModelExpansionType = 'static' | 'full';

/** A parameter of an option. */
export interface CommandLineParameterInfo {
  /** The parameter's name. */
  name: string;
  /** What it takes. */
  type: CommandLineParameterType;
  /** What it means. */
  help?: string | undefined;
  /** Its value when none is given. */
  default?: string | undefined;
}

/** An option with parameters. */
export interface CommandLineOptionInfo {
  /** The name of its group, as in a configuration file. */
  option: string;
  /** Its parameters; empty where it takes any. */
  parameters: readonly CommandLineParameterInfo[];
}

/** What a parameter of an option takes. */
export type CommandLineParameterType = 'string' | 'boolean' | 'number' | 'size';

/** Arguments of set-action. */
export interface SetActionArguments {
  /** What a reset does. */
  reboot?: RebootAction | undefined;
  /** What becomes of the daemon after a shutdown. */
  shutdown?: ShutdownAction | undefined;
  /** What a panic of the guest does. */
  panic?: PanicAction | undefined;
  /** What a watchdog does. */
  watchdog?: WatchdogAction | undefined;
}

/** Arguments of query-cpu-model-expansion. */
export interface QueryCpuModelExpansionArguments {
  /** How far. */
  type: CpuModelExpansionType;
  /** The model. */
  model: CpuModelInfo;
}

/** What query-cpu-model-expansion returns. */
export interface QueryCpuModelExpansionReturn {
  /** The model. */
  model: CpuModelInfo;
}

/** What query-sev-capabilities returns. */
export interface QuerySevCapabilitiesReturn {
  /** The key of the platform. */
  pdh: string;
  /** Its certificates. */
  'cert-chain': string;
  /** The number of the first processor. */
  'cpu0-id': string;
  /** The bit of an address that asks for encryption. */
  cbitpos: number;
  /** How many bits of an address encryption takes. */
  'reduced-phys-bits': number;
}

/** What query-sgx-capabilities returns. */
export interface QuerySgxCapabilitiesReturn {
  /** Whether there is SGX. */
  sgx: boolean;
  /** Whether there is its first version. */
  sgx1: boolean;
  /** Whether there is its second version. */
  sgx2: boolean;
  /** Whether launches can be controlled. */
  flc: boolean;
}

/** Arguments of query-command-line-options. */
export interface QueryCommandLineOptionsArguments {
  /** Only this one. */
  option?: string | undefined;
}

/** Data of SHUTDOWN. */
export interface ShutdownEvent {
  /** True when the guest asked for it. */
  guest: boolean;
  /** What asked for it. */
  reason: ShutdownCause;
}

/** Data of RESET. */
export interface ResetEvent {
  /** True when the guest asked for it. */
  guest: boolean;
  /** What asked for it. */
  reason: ShutdownCause;
}

/** A block node. */
export interface YankInstanceBlockNode {
  /** Selects this variant. */
  type: 'block-node';
  /** Its node name. */
  'node-name': string;
}

/** A character device. */
export interface YankInstanceChardev {
  /** Selects this variant. */
  type: 'chardev';
  /** Its id. */
  id: string;
}

/** The migration. */
export interface YankInstanceMigration {
  /** Selects this variant. */
  type: 'migration';
}

/** Something whose connection could be cut by force. */
export type YankInstance = YankInstanceBlockNode | YankInstanceChardev | YankInstanceMigration;

/** Which YankInstance it is. */
export type YankInstanceType = 'block-node' | 'chardev' | 'migration';

/** Arguments of migrate-recover. */
export interface MigrateRecoverArguments {
  /** Where to listen. */
  uri: string;
}

/** Arguments of yank. */
export interface YankArguments {
  /** What to cut. */
  instances: readonly YankInstance[];
}

/** One property of an object or a type. */
export interface ObjectPropertyInfo {
  /** The property's name. */
  name: string;
  /** Its type: `bool`, `string`, `uint32`, `size`, `child<TYPE>`, `link<TYPE>` and so on. */
  type: string;
  /** What it means. */
  description?: string | undefined;
  /** Its value when none is given. */
  'default-value'?: AnyValue | undefined;
}

/** One type. */
export interface ObjectTypeInfo {
  /** The type's name. */
  name: string;
  /** True when no object can have exactly this type; absent otherwise. */
  abstract?: boolean | undefined;
  /** The type that it is derived from. */
  parent?: string | undefined;
}

/** A type that object-add can create. */
export type ObjectType =
  | 'host-function'
  | 'host-iommu'
  | 'iommufd'
  | 'iothread'
  | 'memory-backend-file'
  | 'memory-backend-memfd'
  | 'memory-backend-ram'
  | 'thread-context';

/** How RAM is spread over the host's nodes of NUMA. It is told, and changes nothing. */
export type HostMemPolicy = 'default' | 'preferred' | 'bind' | 'interleave';

/** An object that holds RAM. */
export interface Memdev {
  /** Its name under `/objects`. */
  id?: string | undefined;
  /** Size in bytes. */
  size: bigint;
  /** Whether it may be merged with equal pages. */
  merge: boolean;
  /** Whether a core dump includes it. */
  dump: boolean;
  /** Whether it was allocated at once. */
  prealloc: boolean;
  /** Whether it is shared. */
  share: boolean;
  /** Whether swap space is reserved for it. */
  reserve?: boolean | undefined;
  /** The nodes that the policy is about. */
  'host-nodes': readonly number[];
  /** The policy. */
  policy: HostMemPolicy;
}

/** An iothread. */
export interface IOThreadInfo {
  /** Its name under `/objects`. */
  id: string;
  /** The number of the thread: that of the daemon, which has one. */
  'thread-id': number;
  /** How long it would poll at most, in nanoseconds. */
  'poll-max-ns': bigint;
  /** The factor by which polling grows. */
  'poll-grow': bigint;
  /** The divisor by which polling shrinks. */
  'poll-shrink': bigint;
  /** The largest batch of requests; 0 leaves it to the daemon. */
  'aio-max-batch': bigint;
}

/** Arguments of qom-list. */
export interface QomListArguments {
  /** Path of the object. */
  path: string;
}

/** Arguments of qom-get. */
export interface QomGetArguments {
  /** Path of the object. */
  path: string;
  /** Name of the property. */
  property: string;
}

/** Arguments of qom-set. */
export interface QomSetArguments {
  /** Path of the object. */
  path: string;
  /** Name of the property. */
  property: string;
  /** The value, of the property's type. */
  value: AnyValue;
}

/** Arguments of qom-list-types. */
export interface QomListTypesArguments {
  /** Only types that are, or are derived from, this one, or implement this interface. */
  implements?: string | undefined;
  /** True to list abstract types too; the default is false. */
  abstract?: boolean | undefined;
}

/** Arguments of qom-list-properties. */
export interface QomListPropertiesArguments {
  /** Name of the type. */
  typename: string;
}

/** Arguments of object-add. */
export type ObjectAddArguments = {
  /** Type of the object. */
  'qom-type': ObjectType;
  /** Its name under `/objects`. */
  id: string;
} & AnyObject;

/** Arguments of object-del. */
export interface ObjectDelArguments {
  /** Its name under `/objects`. */
  id: string;
}

/** Arguments of device-list-properties. */
export interface DeviceListPropertiesArguments {
  /** Name of the device type. */
  typename: string;
}

/** Arguments of device_add. */
export type DeviceAddArguments = {
  /** Type of the device. */
  driver: string;
  /** Id of the bus to plug it into; default: the first free one of the right kind. */
  bus?: string | undefined;
  /** Id of the device: a letter, then letters, digits, `-`, `.` and `_`. */
  id?: string | undefined;
} & AnyObject;

/** Arguments of device_del. */
export interface DeviceDelArguments {
  /** Id or QOM path of the device. */
  id: string;
}

/** Data of DEVICE_DELETED. */
export interface DeviceDeletedEvent {
  /** Its id, if it had one. */
  device?: string | undefined;
  /** Its QOM path. */
  path: string;
}

/** A range of addresses that a bridge forwards. With a limit below the base nothing is forwarded. */
export interface PciMemoryRange {
  /** First address. */
  base: bigint;
  /** Last address, inclusive. */
  limit: bigint;
}

/** A base address register and what it decodes. */
export interface PciMemoryRegion {
  /** Its number, 0 to 5; 6 is the expansion ROM. */
  bar: number;
  /** `io` or `memory`. */
  type: string;
  /** First address, or -1 while it decodes nothing. */
  address: bigint;
  /** In bytes. */
  size: bigint;
  /** Reads have no side effects; with `memory` alone. */
  prefetch?: boolean | undefined;
  /** The register has 64 bits; with `memory` alone. */
  mem_type_64?: boolean | undefined;
}

/** The bus behind a bridge and what the bridge forwards to it. */
export interface PciBusInfo {
  /** Number of the bus that the bridge is on. */
  number: number;
  /** Number of the bus behind it. */
  secondary: number;
  /** Highest bus number behind it. */
  subordinate: number;
  /** The ports forwarded. */
  io_range: PciMemoryRange;
  /** The memory forwarded. */
  memory_range: PciMemoryRange;
  /** The prefetchable memory forwarded. */
  prefetchable_range: PciMemoryRange;
}

/** What makes a function a bridge. */
export interface PciBridgeInfo {
  /** The bus behind it. */
  bus: PciBusInfo;
  /** What is on that bus, once the bridge has its bus numbers. */
  devices?: readonly PciDeviceInfo[] | undefined;
}

/** What kind of function it is. */
export interface PciDeviceClass {
  /** Name of the class; absent where it has none. */
  desc?: string | undefined;
  /** Base class and subclass. */
  class: number;
}

/** Who made the function, and what it is. */
export interface PciDeviceId {
  /** Device id. */
  device: number;
  /** Vendor id. */
  vendor: number;
  /** Subsystem id. */
  subsystem?: number | undefined;
  /** Subsystem vendor id. */
  'subsystem-vendor'?: number | undefined;
}

/** A PCI function. */
export interface PciDeviceInfo {
  /** Number of its bus. */
  bus: number;
  /** Device number. */
  slot: number;
  /** Function number. */
  function: number;
  /** What kind of function it is. */
  class_info: PciDeviceClass;
  /** Who made it. */
  id: PciDeviceId;
  /** What software wrote into the interrupt line register; absent without a pin. */
  irq?: number | undefined;
  /** The interrupt pin, 1 for INTA#; 0 for none. */
  irq_pin: number;
  /** Id of the device, or the empty string. */
  qdev_id: string;
  /** Given for bridges. */
  pci_bridge?: PciBridgeInfo | undefined;
  /** Its base address registers. */
  regions: readonly PciMemoryRegion[];
}

/** A root bus. */
export interface PciInfo {
  /** Its number. */
  bus: number;
  /** What is on it, by slot and function. */
  devices: readonly PciDeviceInfo[];
}

/** What a memory region does. */
export type RegionKind = 'container' | 'ram' | 'rom' | 'mmio' | 'iommu' | 'alias' | 'reservation';

/** What an alias shows. */
export interface RegionAlias {
  /** Name of the region shown. */
  region: string;
  /** Offset in that region, in bytes, of the alias's first byte. */
  offset: bigint;
}

/** A region and what lies in it. */
export interface MemoryRegionInfo {
  /** Name of the region. */
  name: string;
  /** What it does. */
  kind: RegionKind;
  /** First address, in the address space. */
  start: bigint;
  /** Last address, inclusive. */
  last: bigint;
  /** Among overlapping siblings the highest priority is seen. */
  priority: number;
  /** False when the region and all in it are out of the address space. */
  enabled: boolean;
  /** What it shows, with kind `alias`. */
  alias?: RegionAlias | undefined;
  /** The regions in it, highest priority first. */
  children: readonly MemoryRegionInfo[];
}

/** What the CPUs or one device can reach. */
export interface AddressSpaceInfo {
  /** Name of the address space. */
  name: string;
  /** The device whose DMA goes through it: its id, or its QOM path. */
  device?: string | undefined;
  /** The IOMMU whose object stands behind it: its id, or its QOM path. */
  iommu?: string | undefined;
  /** The outermost region. */
  root: MemoryRegionInfo;
}

/** A range that is visible. */
export interface FlatRange {
  /** First address. */
  start: bigint;
  /** Last address, inclusive. */
  last: bigint;
  /** Name of the region seen there. */
  region: string;
  /** Offset in that region, in bytes, of `start`. */
  offset: bigint;
  /** What the region does. */
  kind: RegionKind;
  /** True when writes are ignored. */
  readonly: boolean;
}

/** A range of a region that cannot be seen. */
export interface HiddenRange {
  /** Name of the region. */
  region: string;
  /** First address. */
  start: bigint;
  /** Last address, inclusive. */
  last: bigint;
  /** Name of the region that lies over it; or, where a region is disabled, its own name or that of the disabled region that holds it. */
  by: string;
}

/** What query-address-spaces returns. */
export interface QueryAddressSpacesReturn {
  /** The address spaces, `memory` first, then in the order of their creation. */
  'address-spaces': readonly AddressSpaceInfo[];
}

/** Arguments of query-flat-view. */
export interface QueryFlatViewArguments {
  /** Name of the address space. */
  'address-space': string;
}

/** What query-flat-view returns. */
export interface QueryFlatViewReturn {
  /** The visible ranges, by address. */
  ranges: readonly FlatRange[];
  /** The hidden ranges, by address. */
  hidden: readonly HiddenRange[];
}

/** Arguments of memory-read. */
export interface MemoryReadArguments {
  /** Where to begin. */
  address: Address;
  /** How many bytes. */
  size: Address;
  /** Name of the address space; default `memory`. */
  'address-space'?: string | undefined;
  /** How `data` is written; default `base64`. */
  encoding?: Encoding | undefined;
}

/** What memory-read returns. */
export interface MemoryReadReturn {
  /** The bytes. */
  data: string;
}

/** Arguments of memory-write. */
export interface MemoryWriteArguments {
  /** Where to begin. */
  address: Address;
  /** The bytes. */
  data: string;
  /** Name of the address space; default `memory`. */
  'address-space'?: string | undefined;
  /** How `data` is written; default `base64`. */
  encoding?: Encoding | undefined;
}

/** Arguments of pmemsave. */
export interface PmemsaveArguments {
  /** The first guest-physical address. */
  val: bigint;
  /** How many bytes. */
  size: bigint;
  /** The file; one that is there is replaced. */
  filename: string;
}

/** How a PASID table is laid out in guest memory. */
export type PasidTableFormat = 'vtd-scalable' | 'vtd-ecs' | 'amd-gcr3';

/** How much a flush covers. */
export type FlushGranularity = 'global' | 'domain' | 'pasid' | 'page';

/** How much a PASID-cache flush covers. */
export type PasidCacheGranularity = 'global' | 'domain' | 'pasid';

/** Whether a device's requests go around the vIOMMU. */
export type BypassMode = 'auto' | 'bypass' | 'translate';

/** How a vIOMMU translates now. */
export type IommuMode = 'off' | 'legacy' | 'scalable' | 'ecs' | 'other';

/** A capability register. */
export interface RegisterValue {
  /** Its name in the specification. */
  name: string;
  /** Its value. */
  value: bigint;
}

/** What a vIOMMU offers to the guest. */
export interface IommuCapabilities {
  /** Width of the addresses that it translates, in bits. */
  'aw-bits': number;
  /** Width of PASIDs in bits; 0 without PASID. */
  'pasid-bits': number;
  /** True when it walks first-stage tables. */
  'first-stage': boolean;
  /** True when it walks second-stage tables. */
  'second-stage': boolean;
  /** True when it nests a first stage in a second. */
  nested: boolean;
  /** True when the guest must invalidate after adding entries too. */
  'caching-mode': boolean;
  /** True when devices may cache translations (ATS). */
  'device-iotlb': boolean;
  /** True when devices may ask for missing pages (PRI). */
  'page-requests': boolean;
  /** The capability registers as the guest reads them. */
  registers: readonly RegisterValue[];
}

/** A guest PASID table that is bound. */
export interface PasidTableBinding {
  /** Guest-physical address of the table. */
  address: bigint;
  /** Size in bytes of the directory, or of the flat table. */
  size: bigint;
  /** Its layout. */
  format: PasidTableFormat;
  /** Who bound it. */
  origin: Origin;
}

/** A device behind a vIOMMU. */
export interface IommuDeviceInfo {
  /** Its id, or its QOM path. */
  device: string;
  /** Its PCI address; of a device without PCI where it sits, for instance `vio@71000000`. */
  bdf: string;
  /** True when its requests go around the vIOMMU. */
  bypass: boolean;
  /** Its domain-id, where the guest's tables give one. */
  'domain-id'?: number | undefined;
  /** Its guest PASID table, where one is bound. */
  binding?: PasidTableBinding | undefined;
}

/** One vIOMMU. */
export interface IommuInfo {
  /** Its id, or its QOM path. */
  id: string;
  /** Its device type, for instance `intel-iommu`. */
  kind: string;
  /** Its QOM path. */
  'qom-path': string;
  /** How it translates now. */
  mode: IommuMode;
  /** What it offers. */
  capabilities: IommuCapabilities;
  /** The devices behind it, by PCI address. */
  devices: readonly IommuDeviceInfo[];
  /** Its caches. */
  caches: readonly CacheInfo[];
}

/** Which of the two notifier frameworks. */
export type NotifierKind = 'region' | 'object';

/** What a notifier is told. */
export type NotifierEvent =
  | 'map'
  | 'unmap'
  | 'deviotlb-unmap'
  | 'bind'
  | 'unbind'
  | 'flush-iotlb'
  | 'flush-pasid-cache';

/** One registered notifier. */
export interface NotifierInfo {
  /** The device whose requests it is about. */
  device: string;
  /** Name of the registrant. */
  listener: string;
  /** The framework. */
  kind: NotifierKind;
  /** Region: first address that it hears of. One registrant has a notifier for each part of the region that shows. */
  start?: bigint | undefined;
  /** Region: last address that it hears of. */
  last?: bigint | undefined;
  /** What it has registered for. */
  events: readonly NotifierEvent[];
  /** Notifications that it took. */
  delivered: number;
  /** Notifications that it answered with an error; not among those delivered. */
  failed: number;
}

/** What the listeners answered. */
export interface ListenersReturn {
  /** The listeners, in the order of registration. */
  listeners: readonly ListenerStatus[];
}

/** What a flush did. */
export interface FlushReturn {
  /** The listeners' answers, in the order of registration. */
  listeners: readonly ListenerStatus[];
  /** Entries removed from the host's caches. */
  dropped: number;
}

/** Which cached translations to drop. */
export interface FlushIotlbArguments {
  /** The device. */
  device: string;
  /** How much to drop. */
  granularity: FlushGranularity;
  /** The domain-id. Required for `domain`; otherwise by default from the PASID table entry. */
  'domain-id'?: number | undefined;
  /** The PASID. Required for `pasid` and `page`. */
  pasid?: number | undefined;
  /** First address, aligned to `size`. Required for `page`. */
  address?: Address | undefined;
  /** How many bytes: a power of two, 4096 at least. Required for `page`. */
  size?: Address | undefined;
  /** True when only leaf entries have changed, so that paging-structure caches may stay; default false. */
  'leaf-only'?: boolean | undefined;
}

/** Arguments of iommu-bind-pasid-table. */
export interface IommuBindPasidTableArguments {
  /** The device. */
  device: string;
  /** Guest-physical address of the table, aligned to 4096. */
  address: Address;
  /** Size in bytes of the directory or the flat table; default: the host's maximum. */
  size?: Address | undefined;
  /** Layout of the table; default `vtd-scalable`. */
  format?: PasidTableFormat | undefined;
}

/** What iommu-bind-pasid-table returns. */
export interface IommuBindPasidTableReturn {
  /** The listeners' answers, in the order of registration. */
  listeners: readonly ListenerStatus[];
  /** True when another binding was replaced. */
  replaced: boolean;
}

/** Arguments of iommu-unbind-pasid-table. */
export interface IommuUnbindPasidTableArguments {
  /** The device. */
  device: string;
}

/** Arguments of iommu-flush-pasid-cache. */
export interface IommuFlushPasidCacheArguments {
  /** The device. */
  device: string;
  /** How much to drop. */
  granularity: PasidCacheGranularity;
  /** The domain-id. Required for `domain`. */
  'domain-id'?: number | undefined;
  /** The PASID. Required for `pasid`. */
  pasid?: number | undefined;
}

/** Arguments of iommu-flush-device-iotlb. */
export interface IommuFlushDeviceIotlbArguments {
  /** The device. */
  device: string;
  /** The PASID; absent: requests without PASID, or all PASIDs. */
  pasid?: number | undefined;
  /** True for what was translated for any PASID. Default false. */
  'all-pasids'?: boolean | undefined;
  /** First address; with `size`. */
  address?: Address | undefined;
  /** Bytes, a power of two of 4096 at least; with `address`, which must be a multiple of it. */
  size?: Address | undefined;
}

/** What iommu-flush-device-iotlb returns. */
export interface IommuFlushDeviceIotlbReturn {
  /** Entries removed from the cache of a host function. */
  dropped: number;
}

/** Arguments of iommu-set-bypass. */
export interface IommuSetBypassArguments {
  /** The device. */
  device: string;
  /** Which way. */
  mode: BypassMode;
}

/** What query-iommus returns. */
export interface QueryIommusReturn {
  /** The vIOMMUs. */
  iommus: readonly IommuInfo[];
}

/** What query-iommu-notifiers returns. */
export interface QueryIommuNotifiersReturn {
  /** One element for each registrant. */
  notifiers: readonly NotifierInfo[];
}

/** Data of IOMMU_PASID_TABLE_BOUND. */
export interface IommuPasidTableBoundEvent {
  /** The vIOMMU. */
  iommu: string;
  /** The device. */
  device: string;
  /** Guest-physical address of the table. */
  address: bigint;
  /** Size in bytes of the directory or the flat table. */
  size: bigint;
  /** Its layout. */
  format: PasidTableFormat;
  /** True when another binding was replaced. */
  replaced: boolean;
  /** Who bound it. */
  origin: Origin;
  /** The listeners' answers. */
  listeners: readonly ListenerStatus[];
  /** Number of the event, from 1, gapless over all model events. */
  sequence: number;
  /** Number of the operation that caused it; 0 while the machine is built. */
  operation: number;
}

/** Data of IOMMU_PASID_TABLE_UNBOUND. */
export interface IommuPasidTableUnboundEvent {
  /** The vIOMMU. */
  iommu: string;
  /** The device. */
  device: string;
  /** Guest-physical address of the table. */
  address: bigint;
  /** Size in bytes of the directory or the flat table. */
  size: bigint;
  /** Its layout. */
  format: PasidTableFormat;
  /** Who unbound it. */
  origin: Origin;
  /** The listeners' answers. */
  listeners: readonly ListenerStatus[];
  /** Number of the event, from 1, gapless over all model events. */
  sequence: number;
  /** Number of the operation that caused it; 0 while the machine is built. */
  operation: number;
}

/** Data of IOMMU_PASID_TABLE_BIND_FAILED. */
export interface IommuPasidTableBindFailedEvent {
  /** The vIOMMU. */
  iommu: string;
  /** The device. */
  device: string;
  /** Guest-physical address of the table. */
  address: bigint;
  /** Size in bytes of the directory or the flat table. */
  size: bigint;
  /** Its layout. */
  format: PasidTableFormat;
  /** The listeners' answers. */
  listeners: readonly ListenerStatus[];
  /** Why it was refused. */
  desc: string;
  /** Number of the event, from 1, gapless over all model events. */
  sequence: number;
  /** Number of the operation that caused it; 0 while the machine is built. */
  operation: number;
}

/** Data of IOMMU_PASID_ATTACHED. */
export interface IommuPasidAttachedEvent {
  /** The vIOMMU. */
  iommu: string;
  /** The device. */
  device: string;
  /** The PASID. */
  pasid: number;
  /** Number of the page table, as query-host-iommu lists it: a nested one, or the second stage for a PASID that passes through. */
  'page-table': number;
  /** True when it was attached to another one until now. */
  replaced: boolean;
  /** Number of the event, from 1, gapless over all model events. */
  sequence: number;
  /** Number of the operation that caused it; 0 while the machine is built. */
  operation: number;
}

/** Data of IOMMU_PASID_DETACHED. */
export interface IommuPasidDetachedEvent {
  /** The vIOMMU. */
  iommu: string;
  /** The device. */
  device: string;
  /** The PASID. */
  pasid: number;
  /** Number of the page table that it was attached to. */
  'page-table': number;
  /** Number of the event, from 1, gapless over all model events. */
  sequence: number;
  /** Number of the operation that caused it; 0 while the machine is built. */
  operation: number;
}

/** Data of IOMMU_IOTLB_FLUSHED. */
export interface IommuIotlbFlushedEvent {
  /** The vIOMMU. */
  iommu: string;
  /** The device. */
  device: string;
  /** How much it covered. */
  granularity: FlushGranularity;
  /** The domain-id that it was limited to: the one given, or for a PASID that of its entry; absent where there was none. */
  'domain-id'?: number | undefined;
  /** The PASID that it was limited to. */
  pasid?: number | undefined;
  /** First address covered, with granularity `page`. */
  address?: bigint | undefined;
  /** Bytes covered, with granularity `page`. */
  size?: bigint | undefined;
  /** True when paging-structure caches could stay. */
  'leaf-only': boolean;
  /** Who flushed. */
  origin: Origin;
  /** Entries removed from the host's caches. */
  dropped: number;
  /** The listeners' answers. */
  listeners: readonly ListenerStatus[];
  /** Number of the event, from 1, gapless over all model events. */
  sequence: number;
  /** Number of the operation that caused it; 0 while the machine is built. */
  operation: number;
}

/** Data of IOMMU_PASID_CACHE_FLUSHED. */
export interface IommuPasidCacheFlushedEvent {
  /** The vIOMMU. */
  iommu: string;
  /** The device. */
  device: string;
  /** How much it covered. */
  granularity: PasidCacheGranularity;
  /** The domain-id that it was limited to; absent where none was given. */
  'domain-id'?: number | undefined;
  /** The PASID that it was limited to. */
  pasid?: number | undefined;
  /** Who flushed. */
  origin: Origin;
  /** Entries removed from the host's caches. */
  dropped: number;
  /** The listeners' answers. */
  listeners: readonly ListenerStatus[];
  /** Number of the event, from 1, gapless over all model events. */
  sequence: number;
  /** Number of the operation that caused it; 0 while the machine is built. */
  operation: number;
}

/** Data of IOMMU_DEVICE_IOTLB_FLUSHED. */
export interface IommuDeviceIotlbFlushedEvent {
  /** The vIOMMU. */
  iommu: string;
  /** The device. */
  device: string;
  /** The PASID; absent: requests without PASID, or all PASIDs. */
  pasid?: number | undefined;
  /** True when it covered every PASID. */
  'all-pasids'?: boolean | undefined;
  /** First address. */
  address: bigint;
  /** Last address, inclusive. */
  last: bigint;
  /** Who flushed. */
  origin: Origin;
  /** Entries removed from the device's cache. */
  dropped: number;
  /** Number of the event, from 1, gapless over all model events. */
  sequence: number;
  /** Number of the operation that caused it; 0 while the machine is built. */
  operation: number;
}

/** Data of IOMMU_REGION_SWITCHED. */
export interface IommuRegionSwitchedEvent {
  /** The vIOMMU. */
  iommu: string;
  /** The device. */
  device: string;
  /** True when its requests now go around the vIOMMU. */
  bypass: boolean;
  /** Number of the event, from 1, gapless over all model events. */
  sequence: number;
  /** Number of the operation that caused it; 0 while the machine is built. */
  operation: number;
}

/** Whose translation is asked for. */
export type TranslateVia = 'viommu' | 'host';

/** Where a translation came from. */
export type TranslationSource = 'device' | 'iotlb' | 'walk' | 'bypass';

/** Why a request was refused. The fault reason code of VT-d is in brackets, or what another kind of vIOMMU has. */
export type FaultReason =
  | 'no-pasid-table'
  | 'root-not-present'
  | 'context-not-present'
  | 'context-invalid'
  | 'address-beyond-width'
  | 'write-not-permitted'
  | 'read-not-permitted'
  | 'second-stage-table-unreachable'
  | 'root-table-unreachable'
  | 'context-table-unreachable'
  | 'root-reserved'
  | 'context-reserved'
  | 'second-stage-reserved'
  | 'request-blocked'
  | 'output-in-interrupt-range'
  | 'interrupt-request-reserved'
  | 'interrupt-index-out-of-range'
  | 'interrupt-entry-not-present'
  | 'interrupt-table-unreachable'
  | 'interrupt-entry-reserved'
  | 'compatibility-interrupt-blocked'
  | 'interrupt-source-not-permitted'
  | 'translation-mode-blocks-request'
  | 'pasid-out-of-range'
  | 'page-requests-disabled'
  | 'pasid-directory-unreachable'
  | 'pasid-directory-entry-not-present'
  | 'pasid-table-unreachable'
  | 'pasid-entry-not-present'
  | 'pasid-entry-invalid'
  | 'first-stage-table-unreachable'
  | 'first-stage-not-present'
  | 'first-stage-reserved'
  | 'first-stage-root-unreachable'
  | 'accessed-dirty-write-failed'
  | 'not-mapped'
  | 'address-not-canonical'
  | 'supervisor-page'
  | 'execute-not-permitted'
  | 'first-stage-write-not-permitted'
  | 'translation-not-valid'
  | 'device-table-entry-reserved'
  | 'device-table-unreachable'
  | 'command-illegal'
  | 'command-buffer-unreachable'
  | 'unknown-endpoint'
  | 'endpoint-not-attached'
  | 'reserved-region'
  | 'pasid-not-supported'
  | 'outside-dma-windows'
  | 'function-not-translating'
  | 'address-space-invalid'
  | 'address-out-of-range'
  | 'translation-protection'
  | 'table-entry-invalid'
  | 'table-length-invalid'
  | 'table-type-invalid';

/** Which of the two stages. */
export type TranslationStage = 'first' | 'second';

/** One field of an entry. */
export interface EntryField {
  /** Its name in the specification, or for what the host has itself a word. */
  name: string;
  /** Its value; of a pointer the address. */
  value: bigint;
}

/** One entry that a translation read. */
export interface TranslationStep {
  /** The stage that the entry belongs to, or leads to. */
  stage: TranslationStage;
  /** What it is: `root-entry`, `context-entry`, `pasid-directory-entry`, `pasid-table-entry`, `page-table-entry`, `dma-window`, `tce` and the like; with `via` `host` also `attached-pasid`, what the host has for a PASID by contract iommufd, and `host-mapping`, a range of the second stage. */
  structure: string;
  /** Level of a page-table entry: 1 is the lowest. */
  level?: number | undefined;
  /** Its index in its table; of a `host-mapping` the id of the page table. */
  index: number;
  /** Guest-physical address of the entry. Where it lies in no guest memory the first address that it translates (`dma-window`, `tce`, `mapping`, `host-mapping`), or 0 (`endpoint`, `attached-pasid`). */
  address: bigint;
  /** Its 64-bit words as they are in memory, low first; none for what is in no memory of the guest. */
  raw: readonly bigint[];
  /** The same decoded. */
  fields: readonly EntryField[];
  /** Where the specification describes it. */
  spec: string;
}

/** The request is permitted. */
export interface TranslationResultTranslated {
  /** Selects this variant. */
  result: 'translated';
  /** What the address became: guest-physical, with `via` `host` host-physical. */
  address: bigint;
  /** With `via` `host`: the guest-physical address on the way, where there is one. */
  gpa?: bigint | undefined;
  /** Size in bytes of the page that the address lies in; 2^63 at most. */
  size: bigint;
  /** What the translation permits. */
  permissions: readonly Permission[];
  /** Where it came from. */
  source: TranslationSource;
  /** With `explain`: the entries on the way, in that order. */
  steps?: readonly TranslationStep[] | undefined;
}

/** The request is refused. */
export interface TranslationResultFault {
  /** Selects this variant. */
  result: 'fault';
  /** The fault code that the IOMMU would record; 0 where it has none. */
  code: number;
  /** The same as a word. */
  reason: FaultReason;
  /** The same as a sentence, with the entry concerned. */
  desc: string;
  /** With `explain`: the entries on the way, in that order. */
  steps?: readonly TranslationStep[] | undefined;
}

/** What a translation gave. */
export type TranslationResult = TranslationResultTranslated | TranslationResultFault;

/** Which TranslationResult it is. */
export type TranslationResultResult = 'translated' | 'fault';

/** Whose IOTLB. */
export type IotlbSide = 'viommu' | 'host';

/** Which tables a cached translation stands for. */
export type IotlbStage = 'first' | 'second' | 'nested';

/** One entry of an IOTLB. */
export interface IotlbEntry {
  /** The device, where entries belong to one. */
  device?: string | undefined;
  /** The guest's domain-id that tags the entry. */
  'domain-id': number;
  /** The PASID that tags it; absent for requests without PASID. */
  pasid?: number | undefined;
  /** First address of the page, as devices ask for it. */
  iova: bigint;
  /** What it becomes: guest-physical for `viommu`, host-physical for `host`. */
  address: bigint;
  /** With `host`: the guest-physical address on the way, where there is one. */
  gpa?: bigint | undefined;
  /** Size of the page in bytes. */
  size: bigint;
  /** What it permits. */
  permissions: readonly Permission[];
  /** Which tables it stands for. */
  stage: IotlbStage;
  /** Level of the leaf: 1 for 4 KiB, 2 for 2 MiB, 3 for 1 GiB. */
  level: number;
  /** True when the tables now say otherwise. */
  stale: boolean;
  /** With `host`: `device` for what the device keeps itself (ATS); absent: the IOTLB. */
  cache?: HostCache | undefined;
}

/** Arguments of iommu-translate. */
export interface IommuTranslateArguments {
  /** The device. */
  device: string;
  /** The address as the device would put it on the bus. */
  address: Address;
  /** What the device would do; default `read`. */
  access?: Access | undefined;
  /** The PASID of the request; absent for one without PASID. */
  pasid?: number | undefined;
  /** Whose translation; default `viommu`. */
  via?: TranslateVia | undefined;
  /** With the entries that the way leads over, by the tables as they are now; default false. */
  explain?: boolean | undefined;
}

/** Arguments of query-iotlb. */
export interface QueryIotlbArguments {
  /** Whose IOTLB. */
  side: IotlbSide;
  /** Only entries that this device uses. */
  device?: string | undefined;
  /** Only entries from this address on; a reply's `next` continues it. */
  start?: Address | undefined;
  /** The most entries in one reply; default 1000. */
  limit?: number | undefined;
}

/** What query-iotlb returns. */
export interface QueryIotlbReturn {
  /** The entries, by iova, domain-id and PASID. */
  entries: readonly IotlbEntry[];
  /** The `start` of the next part; absent at the end. */
  next?: bigint | undefined;
}

/** Data of IOMMU_FAULT. */
export interface IommuFaultEvent {
  /** The vIOMMU. */
  iommu: string;
  /** The device whose request it was; where none has that source-id, its BDF. */
  device: string;
  /** The PASID in the record; absent where it has none. */
  pasid?: number | undefined;
  /** The address in the record: of the page that was asked for; for interrupts the index in its upper 16 bits. */
  address: bigint;
  /** What was asked for. */
  access: Access;
  /** The fault reason code. */
  code: number;
  /** The same as a word. */
  reason: FaultReason;
  /** Number of the event, from 1, gapless over all model events. */
  sequence: number;
  /** Number of the operation that caused it; 0 while the machine is built. */
  operation: number;
}

/** How software answers the requests of a group. */
export type PageResponse = 'success' | 'invalid' | 'failure';

/** A group of page requests that has not been answered. */
export interface PageRequestGroup {
  /** The device that asks. */
  device: string;
  /** The PASID; absent for requests without one. */
  pasid?: number | undefined;
  /** Its index. */
  group: number;
  /** What the device wants to do with the pages. */
  access: Access;
  /** The pages, in the order in which they were asked for. */
  addresses: readonly bigint[];
  /** How many transfers wait for it. */
  transfers: number;
}

/** What query-page-requests returns. */
export interface QueryPageRequestsReturn {
  /** The groups, device by device, each device's in the order in which they were asked. */
  groups: readonly PageRequestGroup[];
}

/** Arguments of page-response. */
export interface PageResponseArguments {
  /** The device: its id, its QOM path, or its PCI address. */
  device: string;
  /** The group, from IOMMU_PAGE_REQUEST. */
  group: number;
  /** The answer. */
  response: PageResponse;
  /** The PASID of the requests, to be sure of the group; default: whichever it has. */
  pasid?: number | undefined;
}

/** Data of IOMMU_PAGE_REQUEST. */
export interface IommuPageRequestEvent {
  /** The vIOMMU. */
  iommu: string;
  /** The device. */
  device: string;
  /** The PASID; absent for a request without one. */
  pasid?: number | undefined;
  /** The page that is asked for. */
  address: bigint;
  /** The page request group, which the answer names. */
  group: number;
  /** True for the last request of its group. */
  last: boolean;
  /** What the device wants to do there. */
  access: readonly Access[];
  /** Number of the event, from 1, gapless over all model events. */
  sequence: number;
  /** Number of the operation that caused it; 0 while the machine is built. */
  operation: number;
}

/** Addresses that the guest's tables map in a row. */
export interface IommuMapping {
  /** First address, as the device asks for it. */
  iova: bigint;
  /** What it becomes: guest-physical. */
  address: bigint;
  /** How many bytes. */
  size: bigint;
  /** What is permitted. */
  permissions: readonly Permission[];
  /** Size in bytes of the pages that map it. */
  'page-size': bigint;
}

/** What an address that is looked for is. */
export type ReverseSpace = 'guest' | 'host';

/** A way by which a device reaches an address. */
export interface AddressUser {
  /** The device. */
  device: string;
  /** The PASID of its requests; absent for those without PASID. */
  pasid?: number | undefined;
  /** The address by which it reaches exactly that byte. */
  iova: bigint;
  /** Size in bytes of the page that maps it; 4096 where nothing is translated. */
  size: bigint;
  /** What the tables permit. */
  permissions: readonly Permission[];
}

/** Arguments of iommu-reverse-translate. */
export interface IommuReverseTranslateArguments {
  /** The address that is looked for. */
  address: Address;
  /** What the address is. */
  space: ReverseSpace;
  /** Look through the tables of this device only. */
  device?: string | undefined;
  /** The most elements in the reply; default 1000. */
  limit?: number | undefined;
}

/** What iommu-reverse-translate returns. */
export interface IommuReverseTranslateReturn {
  /** By device (in the order of the buses), PASID (without first) and address. */
  users: readonly AddressUser[];
  /** False when the search was ended by its limits: there may be more. */
  complete: boolean;
}

/** Arguments of query-iommu-mappings. */
export interface QueryIommuMappingsArguments {
  /** The device. */
  device: string;
  /** The PASID of the requests; absent for those without PASID. */
  pasid?: number | undefined;
  /** Only addresses from here on; a reply's `next` continues it. */
  start?: Address | undefined;
  /** The most elements in one reply; default 1000. */
  limit?: number | undefined;
}

/** What query-iommu-mappings returns. */
export interface QueryIommuMappingsReturn {
  /** The mappings, by iova. */
  mappings: readonly IommuMapping[];
  /** The `start` of the next part; absent at the end. */
  next?: bigint | undefined;
}

/** Data of IOMMU_MAPPED. */
export interface IommuMappedEvent {
  /** The vIOMMU. */
  iommu: string;
  /** The device. */
  device: string;
  /** First address, as the device asks for it. */
  iova: bigint;
  /** What it becomes: guest-physical. */
  address: bigint;
  /** How many bytes. */
  size: bigint;
  /** What the mapping permits. */
  permissions: readonly Permission[];
  /** The listeners' answers. */
  listeners: readonly ListenerStatus[];
  /** Number of the event, from 1, gapless over all model events. */
  sequence: number;
  /** Number of the operation that caused it; 0 while the machine is built. */
  operation: number;
}

/** Data of IOMMU_UNMAPPED. */
export interface IommuUnmappedEvent {
  /** The vIOMMU. */
  iommu: string;
  /** The device. */
  device: string;
  /** First address, as the device asks for it. */
  iova: bigint;
  /** How many bytes. */
  size: bigint;
  /** The listeners' answers. */
  listeners: readonly ListenerStatus[];
  /** Number of the event, from 1, gapless over all model events. */
  sequence: number;
  /** Number of the operation that caused it; 0 while the machine is built. */
  operation: number;
}

/** How the guest has the vIOMMU translate. */
export type GuestMode = 'legacy' | 'scalable' | 'ecs' | 'other';

/** Where the driver's tables lie. Nothing else may be there. */
export interface TableRange {
  /** Guest-physical address, a multiple of 4096. */
  address: Address;
  /** Size in bytes, a multiple of 4096. */
  size: Address;
}

/** Where the driver's tables lie. */
export interface TableRangeInfo {
  /** Guest-physical address. */
  address: bigint;
  /** Size in bytes. */
  size: bigint;
}

/** Arguments of guest-iommu-enable. */
export interface GuestIommuEnableArguments {
  /** The vIOMMU: id or QOM path; default the only one. */
  iommu?: string | undefined;
  /** How it shall translate. */
  mode: GuestMode;
  /** Where tables may lie: pages of RAM that hold nothing but zeros; default 16 MiB, or a quarter of it where RAM is short, at the top of the RAM below 4 GiB. */
  tables?: TableRange | undefined;
}

/** What guest-iommu-enable returns. */
export interface GuestIommuEnableReturn {
  /** Where the tables lie. */
  tables: TableRangeInfo;
}

/** Arguments of guest-dma-map. */
export interface GuestDmaMapArguments {
  /** The device. */
  device: string;
  /** First address, as the device is going to ask for it; a multiple of 4096. */
  iova: Address;
  /** Guest-physical address that it becomes; a multiple of 4096. */
  address: Address;
  /** How many bytes; a multiple of 4096. */
  size: Address;
  /** What is permitted; default read and write. */
  permissions?: readonly Permission[] | undefined;
  /** The PASID of the requests; absent for those without PASID. */
  pasid?: number | undefined;
}

/** Arguments of guest-dma-unmap. */
export interface GuestDmaUnmapArguments {
  /** The device. */
  device: string;
  /** First address; a multiple of 4096. */
  iova: Address;
  /** How many bytes; a multiple of 4096. Large pages go as a whole only. */
  size: Address;
  /** The PASID of the requests; absent for those without PASID. */
  pasid?: number | undefined;
  /** Whether the caches are invalidated; default true. */
  flush?: boolean | undefined;
}

/** Arguments of guest-svm-bind. */
export interface GuestSvmBindArguments {
  /** The device. */
  device: string;
  /** The PASID. */
  pasid: number;
  /** Guest-physical address of the top table, a multiple of 4096. */
  'page-table': Address;
}

/** Arguments of guest-svm-unbind. */
export interface GuestSvmUnbindArguments {
  /** The device. */
  device: string;
  /** The PASID. */
  pasid: number;
  /** Whether the caches are invalidated; default true. */
  flush?: boolean | undefined;
}

/** What is asked of the device. */
export type VirtioIommuRequest = 'attach' | 'detach' | 'map' | 'unmap' | 'probe';

/** How a request ended; its number is in brackets. */
export type VirtioIommuStatus =
  | 'ok'
  | 'io-error'
  | 'unsupported'
  | 'device-error'
  | 'invalid'
  | 'range'
  | 'no-entry'
  | 'fault'
  | 'no-memory';

/** What a reserved region is. */
export type VirtioIommuRegionKind = 'reserved' | 'msi';

/** Addresses that an endpoint cannot have mapped. */
export interface VirtioIommuRegion {
  /** The first address. */
  start: bigint;
  /** The last address. */
  last: bigint;
  /** What it is. */
  kind: VirtioIommuRegionKind;
}

/** A fault as the device reported it through the event queue. */
export interface VirtioIommuFault {
  /** The reason: 0 unknown, 1 domain, 2 mapping. */
  code: number;
  /** 1 read, 2 write, 0x100 there is an address. */
  flags: number;
  /** The endpoint. */
  endpoint: number;
  /** The address. */
  address: bigint;
}

/** Arguments of guest-virtio-iommu. */
export interface GuestVirtioIommuArguments {
  /** The vIOMMU: id or QOM path; default the only one. */
  iommu?: string | undefined;
  /** What is asked. */
  request: VirtioIommuRequest;
  /** The domain, of all requests but `probe`. */
  domain?: number | undefined;
  /** The device that is the endpoint of `attach`, `detach` or `probe`. */
  device?: string | undefined;
  /** The endpoint by its number, in place of `device`: on PCI the bus number times 256, plus device times 8, plus function. */
  endpoint?: number | undefined;
  /** The first address of `map` or `unmap`. */
  start?: Address | undefined;
  /** The last address of `map` or `unmap`. */
  last?: Address | undefined;
  /** The guest-physical address that the first one of `map` becomes. */
  address?: Address | undefined;
  /** Of `attach`: 1 lets everything pass untranslated; default 0. Of `map`: 1 read, 2 write, 4 device registers; default 3. */
  flags?: number | undefined;
  /** False leaves the request in the queue until another one is flushed, as a kernel does that gathers several; default true. */
  flush?: boolean | undefined;
}

/** What guest-virtio-iommu returns. */
export interface GuestVirtioIommuReturn {
  /** How it ended; absent while it waits in the queue. */
  status?: VirtioIommuStatus | undefined;
  /** The same as a number. */
  code?: number | undefined;
  /** Of `probe`: what it told. */
  'reserved-regions'?: readonly VirtioIommuRegion[] | undefined;
  /** What the device has reported since the last request by this command. */
  faults: readonly VirtioIommuFault[];
}

/** A hypercall; its number is in brackets, and then its arguments. */
export type HypercallName = 'H_GET_TCE' | 'H_PUT_TCE' | 'H_STUFF_TCE' | 'H_PUT_TCE_INDIRECT' | 'H_RTAS';

/** An RTAS call; its token is in brackets, then its arguments, words of 32 bits, and how many return values it has. */
export type RtasCallName =
  | 'ibm,set-tce-bypass'
  | 'ibm,query-pe-dma-window'
  | 'ibm,create-pe-dma-window'
  | 'ibm,remove-pe-dma-window'
  | 'ibm,reset-pe-dma-window';

/** One DMA window. */
export interface TceWindowInfo {
  /** The number by which hypercalls name its TCE table. */
  liobn: number;
  /** The devices that share it. */
  devices: readonly string[];
  /** Its first address, as the devices see it. */
  address: bigint;
  /** Its size in bytes. */
  size: bigint;
  /** What one TCE maps, in bytes. */
  'page-size': bigint;
  /** How many TCEs its table has. */
  tces: number;
  /** How many of them allow something. */
  mapped: number;
  /** Somebody keeps maps of it on the host, so that each change must be seen. */
  'need-vfio': boolean;
}

/** Arguments of guest-hypercall. */
export interface GuestHypercallArguments {
  /** Which one; or `number`. */
  hypercall?: HypercallName | undefined;
  /** Its number, also one that does not exist. */
  number?: number | undefined;
  /** Registers r4 and following; those that are left out are 0. */
  arguments: readonly Address[];
}

/** What guest-hypercall returns. */
export interface GuestHypercallReturn {
  /** Register r3: 0 H_SUCCESS, -2 H_FUNCTION, -4 H_PARAMETER. */
  status: number;
  /** Registers r4 and following, as many as the hypercall returns. */
  values: readonly bigint[];
}

/** Arguments of guest-rtas. */
export interface GuestRtasArguments {
  /** Which one; or `token`. */
  call?: RtasCallName | undefined;
  /** Its token, also one that does not exist. */
  token?: number | undefined;
  /** Words of 32 bits. */
  arguments: readonly number[];
  /** How many return values are expected, at least 1. */
  returns: number;
  /** Guest-physical address of RAM for the arguments. */
  buffer: Address;
}

/** What guest-rtas returns. */
export interface GuestRtasReturn {
  /** The first return value: 0 success, -1 hardware error, -3 parameter error. */
  status: number;
  /** The others, words of 32 bits. */
  values: readonly number[];
}

/** What query-tce-windows returns. */
export interface QueryTceWindowsReturn {
  /** The windows. */
  windows: readonly TceWindowInfo[];
}

/** What is issued. */
export type ZpciInstruction =
  | 'mpcifc'
  | 'stpcifc'
  | 'rpcit'
  | 'pcilg'
  | 'pcistg'
  | 'clp-list'
  | 'clp-enable'
  | 'clp-disable'
  | 'clp-query'
  | 'sclp-configure'
  | 'sclp-deconfigure'
  | 'store-event-information';

/** A program interruption. */
export type ZpciException = 'operand' | 'specification' | 'addressing';

/** What of a function information block is not zero. */
export interface ZpciBlock {
  /** Format; 0 is the only one, and the default. */
  format?: number | undefined;
  /** First DMA address (PBA); its lowest 12 bits do not count. */
  base?: Address | undefined;
  /** Last DMA address (PAL), inclusive; its lowest 12 bits count as ones. */
  limit?: Address | undefined;
  /** I/O translation anchor (IOTA): address of the region-third table, plus 0x804; without bit 0x800 guest memory is shown as it is. */
  anchor?: Address | undefined;
  /** Interruption parameters: subclass 30:28, number 27:16, bit offset 13:8, summary bit offset 5:0. */
  interrupts?: number | undefined;
  /** Address of the adapter interruption bit vector. */
  'bit-vector'?: Address | undefined;
  /** Address of the adapter interruption summary bit. */
  summary?: Address | undefined;
}

/** A function information block, as it is stored. */
export interface ZpciBlockInfo {
  /** 0x80 enabled, 0x40 in error or blocked, 0x20 in error, 0x10 an address space is registered. */
  controls: number;
  /** First DMA address (PBA). */
  base: bigint;
  /** Last DMA address (PAL), inclusive. */
  limit: bigint;
  /** I/O translation anchor (IOTA). */
  anchor: bigint;
  /** Interruption parameters. */
  interrupts: number;
  /** Address of the adapter interruption bit vector. */
  'bit-vector': bigint;
  /** Address of the adapter interruption summary bit. */
  summary: bigint;
}

/** A function as CLP lists it. */
export interface ZpciListedFunction {
  /** Vendor id of the PCI device. */
  'vendor-id': number;
  /** Device id of the PCI device. */
  'device-id': number;
  /** It is not in standby. */
  configured: boolean;
  /** Function id. */
  fid: number;
  /** Function handle: bit 31 enabled, bits 23:16 assigned (1) or emulated (2), bits 15:0 index. */
  handle: number;
}

/** What CLP tells of a function. */
export interface ZpciFunctionInfo {
  /** Function id. */
  fid: number;
  /** User-defined id. */
  uid: number;
  /** First address that can be registered. */
  'start-dma': bigint;
  /** Last address that can be registered. */
  'end-dma': bigint;
}

/** An event of a function. */
export interface ZpciEvent {
  /** 1: an error; 2: the function came or went. */
  content: number;
  /** PEC: of an error 1 no address space, 2 out of range, 4 protection, 7 invalid entry, 8 invalid length, 9 invalid type; of a function 0x301 configured, 0x308 gone. */
  code: number;
  /** Function handle. */
  handle: number;
  /** Function id. */
  fid: number;
  /** Of an error: the address that met it; else 0. */
  address: bigint;
}

/** Arguments of guest-zpci. */
export interface GuestZpciArguments {
  /** What is issued. */
  instruction: ZpciInstruction;
  /** The PCI device whose function is meant. */
  device?: string | undefined;
  /** The function by a handle, in place of `device`. */
  handle?: number | undefined;
  /** The function of SCLP services by its id, in place of `device`. */
  fid?: number | undefined;
  /** Operation control of `mpcifc`: 2 and 3 register and deregister interrupts; 4, 5 and 6 register, deregister and reregister an address space; 7 resets error and blocked, 9 error alone. */
  operation?: number | undefined;
  /** DMA address space of `mpcifc` and `stpcifc`; default 0, the only one. */
  'dma-space'?: number | undefined;
  /** The function information block of `mpcifc`. */
  block?: ZpciBlock | undefined;
  /** Where in guest memory the block lies, in place of `block`; `stpcifc` stores it there. */
  'block-address'?: Address | undefined;
  /** Number of the register of `rpcit` that holds the start, the length being in the next one; default 2. It must be even. */
  register?: number | undefined;
  /** First address of `rpcit`. */
  start?: Address | undefined;
  /** Bytes of `rpcit`; of `pcilg` and `pcistg`, 1, 2, 4 or 8. */
  length?: Address | undefined;
  /** Of `pcilg` and `pcistg`: a BAR, 0 to 5, or 15 for configuration space, the default. */
  space?: number | undefined;
  /** Of `pcilg` and `pcistg`. */
  offset?: Address | undefined;
  /** What `pcistg` stores: register contents, so that a little-endian device gets the bytes in reverse. */
  value?: Address | undefined;
  /** How many DMA address spaces `clp-enable` asks for; default 1, all that there are. */
  'dma-spaces'?: number | undefined;
}

/** What guest-zpci returns. */
export interface GuestZpciReturn {
  /** Condition code of an instruction: 0 done, 1 see `status`, 3 the handle names no enabled function. */
  cc?: number | undefined;
  /** With condition code 1: 8 function in error, 12 blocked, 16 insufficient resources, 20 invalid address space, 24 out of sequence, 28 invalid DMA address space, 40 error to be reset. */
  status?: number | undefined;
  /** In place of a condition code: the program interruption that it met. */
  exception?: ZpciException | undefined;
  /** Response code of a service: CLP 0x10, SCLP 0x20 when it is done. */
  response?: number | undefined;
  /** The handle that the function has now, where the service or `stpcifc` tells it. */
  handle?: number | undefined;
  /** What `stpcifc` stored. */
  block?: ZpciBlockInfo | undefined;
  /** What `pcilg` loaded. */
  value?: bigint | undefined;
  /** Of `clp-list`. */
  functions?: readonly ZpciListedFunction[] | undefined;
  /** Of `clp-query`. */
  function?: ZpciFunctionInfo | undefined;
  /** Of `store-event-information`; absent when none is pending. */
  event?: ZpciEvent | undefined;
}

/** How a container takes guest tables to the host. */
export type VfioContract = 'pasid-table' | 'iommufd';

/** A group of functions that the host cannot tell apart. */
export interface VfioGroupInfo {
  /** Number of the group. */
  id: number;
  /** The devices assigned from it. */
  devices: readonly string[];
}

/** A notifier that a container has registered. */
export interface VfioListenerInfo {
  /** The device that it is about. */
  device: string;
  /** The framework. */
  kind: NotifierKind;
}

/** A container: one set of mappings, shared by its groups. */
export interface VfioContainerInfo {
  /** Number of the container. */
  id: number;
  /** How guest tables reach the host. */
  contract: VfioContract;
  /** The object that its devices name with `iommufd=`; with that contract only. */
  iommufd?: string | undefined;
  /** The groups in it. */
  groups: readonly VfioGroupInfo[];
  /** Mappings now in it. */
  mappings: number;
  /** The notifiers that it has registered. */
  listeners: readonly VfioListenerInfo[];
}

/** What query-vfio returns. */
export interface QueryVfioReturn {
  /** The containers, by number. */
  containers: readonly VfioContainerInfo[];
}

/** Data of VFIO_DMA_MAPPED. */
export interface VfioDmaMappedEvent {
  /** Number of the container. */
  container: number;
  /** First address, as the container's devices use it. */
  iova: bigint;
  /** How many bytes. */
  size: bigint;
  /** Host-physical address that it is mapped to. */
  address: bigint;
  /** The guest-physical address of that memory. */
  gpa?: bigint | undefined;
  /** True when devices may only read. */
  readonly: boolean;
  /** Number of the event, from 1, gapless over all model events. */
  sequence: number;
  /** Number of the operation that caused it; 0 while the machine is built. */
  operation: number;
}

/** Data of VFIO_DMA_UNMAPPED. */
export interface VfioDmaUnmappedEvent {
  /** Number of the container. */
  container: number;
  /** First address, as the container's devices use it. */
  iova: bigint;
  /** How many bytes. */
  size: bigint;
  /** Number of the event, from 1, gapless over all model events. */
  sequence: number;
  /** Number of the operation that caused it; 0 while the machine is built. */
  operation: number;
}

/** What vhost and the process that it serves tell each other. */
export type VhostMessageType = 'miss' | 'update' | 'invalidate' | 'access-fail';

/** Guest RAM as vhost reaches it. */
export interface VhostMemoryRegion {
  /** Guest-physical address. */
  address: bigint;
  /** Size in bytes. */
  size: bigint;
  /** Its address in the process that vhost serves. */
  'user-address': bigint;
}

/** A range that the device IOTLB holds. */
export interface VhostRange {
  /** First address, as the device uses it. */
  iova: bigint;
  /** Last address. */
  last: bigint;
  /** Where it leads, in the process that vhost serves. */
  'user-address': bigint;
  /** The same, guest-physical. */
  address?: bigint | undefined;
  /** What it permits: always both, whatever the tables say. */
  permissions: readonly Permission[];
  /** True when the vIOMMU's tables lead elsewhere by now. */
  stale: boolean;
}

/** How full the device IOTLB is. */
export interface VhostCache {
  /** Ranges in it. */
  entries: number;
  /** Ranges that fit (`iotlb-size`). */
  size: number;
  /** Lookups that found a range. */
  hits: number;
  /** Lookups that found none. */
  misses: number;
  /** Ranges that had to make room; the oldest goes first. */
  evictions: number;
}

/** How many messages there were. */
export interface VhostMessageCounts {
  /** Translations that vhost asked for. */
  miss: number;
  /** Those of them that got no UPDATE. */
  unanswered: number;
  /** Ranges that it was given. */
  update: number;
  /** Invalidations that it got. */
  invalidate: number;
}

/** What became of the packets. */
export interface VhostPackets {
  /** Taken from the transmit queue. */
  transmitted: number;
  /** Put into buffers of the receive queue. */
  received: number;
  /** Without a buffer, or with too short a one. */
  dropped: number;
}

/** A device that vhost serves. */
export interface VhostDeviceInfo {
  /** The device. */
  device: string;
  /** True while a driver is at work with it. */
  started: boolean;
  /** True when its addresses go through the device IOTLB; otherwise they are guest-physical. */
  iotlb: boolean;
  /** True when software has enabled ATS: device-IOTLB invalidations are heard in place of unmaps. */
  ats: boolean;
  /** Why the vIOMMU does not tell what goes, so that nothing can be cached. */
  failure?: string | undefined;
  /** Why the queues stand still, until the next notification. */
  stalled?: string | undefined;
  /** What became of the packets. */
  packets: VhostPackets;
  /** The memory table, by address. */
  memory: readonly VhostMemoryRegion[];
  /** How full the device IOTLB is. */
  cache: VhostCache;
  /** How many messages there were. */
  messages: VhostMessageCounts;
  /** What the device IOTLB holds, by address. */
  ranges: readonly VhostRange[];
}

/** A buffer in guest RAM. */
export interface VhostBuffer {
  /** Its address, as the device uses it. */
  iova: Address;
  /** Its size in bytes. */
  size: number;
}

/** A buffer that the device has filled. */
export interface VhostReceived {
  /** Its address, as the device uses it. */
  iova: bigint;
  /** How many bytes were put there. */
  size: number;
}

/** What query-vhost returns. */
export interface QueryVhostReturn {
  /** The devices, bus by bus. */
  devices: readonly VhostDeviceInfo[];
}

/** Arguments of guest-vhost-start. */
export interface GuestVhostStartArguments {
  /** The device, a `vhost-agent`. */
  device: string;
  /** Guest-physical address of the rings, a multiple of 4096. */
  address: Address;
  /** The same as the device uses it; default `address`. */
  iova?: Address | undefined;
  /** Enables ATS, which the device needs `ats=on` for; default false. */
  ats?: boolean | undefined;
}

/** Arguments of guest-vhost-transfer. */
export interface GuestVhostTransferArguments {
  /** The device, a `vhost-agent` that the guest drives. */
  device: string;
  /** A packet to transmit. */
  out?: VhostBuffer | undefined;
  /** Room to receive a packet. */
  into?: VhostBuffer | undefined;
}

/** What guest-vhost-transfer returns. */
export interface GuestVhostTransferReturn {
  /** How many packets the card gave back as transmitted. */
  transmitted: number;
  /** The buffers that it filled. */
  received: readonly VhostReceived[];
  /** Why the queues stand still: vhost got no answer to a MISS. */
  stalled?: string | undefined;
}

/** Data of VHOST_IOTLB_MESSAGE. */
export interface VhostIotlbMessageEvent {
  /** The device. */
  device: string;
  /** What was said. */
  type: VhostMessageType;
  /** The address, or the first one. */
  iova: bigint;
  /** The last address, of `update` and `invalidate`. */
  last?: bigint | undefined;
  /** Where it leads, in the process that vhost serves; of `update`. */
  'user-address'?: bigint | undefined;
  /** What is wanted, or given; not of `invalidate`. */
  permissions?: readonly Permission[] | undefined;
  /** How many ranges went; of `invalidate`. */
  dropped?: number | undefined;
  /** Number of the event, from 1, gapless over all model events. */
  sequence: number;
  /** Number of the operation that caused it; 0 while the machine is built. */
  operation: number;
}

/** What the host's IOMMU can do. */
export interface HostIommuCapabilities {
  /** Width of the addresses that it translates, in bits. */
  'address-bits': number;
  /** Page sizes in bytes, smallest first. */
  'page-sizes': readonly bigint[];
  /** Width of PASIDs in bits; 0 without PASID. */
  'pasid-bits': number;
  /** True when it can nest guest tables. */
  nesting: boolean;
  /** The guest PASID tables that it can read. */
  formats: readonly PasidTableFormat[];
  /** True when devices may cache translations. */
  ats: boolean;
  /** True when devices may ask for missing pages. */
  'page-requests': boolean;
  /** True when second-stage entries note which pages were written. */
  'dirty-tracking': boolean;
  /** True when walks and writes of devices snoop the caches of processors. */
  coherency: boolean;
  /** True when devices can write, below a nested first stage, what the second stage maps read-only. Contract iommufd leaves such memory out then; the check host-capabilities tells of contract pasid-table, which does not. */
  'errata-772415': boolean;
  /** How many nested page tables, one for each attached PASID, there can be. */
  'max-page-tables': number;
}

/** A PCI function of the host. */
export interface HostFunctionInfo {
  /** Its PCI address. */
  bdf: string;
  /** Number of its IOMMU group; absent where it has none. */
  group?: number | undefined;
  /** PCI address of the function that it is a virtual one of. */
  'physical-function'?: string | undefined;
  /** The device that it is assigned to. */
  device?: string | undefined;
  /** Width of its PASIDs in bits; 0 without PASID. */
  'pasid-bits': number;
  /** True when it may cache translations. */
  ats: boolean;
  /** True when it may ask for missing pages. */
  'page-requests': boolean;
}

/** What a page table of the host does. */
export type HostPageTableKind = 'second-stage' | 'nested';

/** A page table of the host. */
export interface HostPageTableInfo {
  /** Number of the page table. */
  id: number;
  /** What it does. */
  kind: HostPageTableKind;
  /** Number of the second stage that it is nested in. */
  parent?: number | undefined;
  /** The devices that use it. */
  devices: readonly string[];
  /** The PASIDs that go through it; of a nested one that was attached by contract iommufd. */
  pasids?: readonly number[] | undefined;
}

/** A cache on the way of a DMA. */
export type HostCache = 'context' | 'pasid' | 'iotlb' | 'device';

/** A translation of the host. */
export interface HostTranslation {
  /** The host-physical address. */
  address: bigint;
  /** The guest-physical address on the way, where there is one. */
  gpa?: bigint | undefined;
  /** What it permits. */
  permissions: readonly Permission[];
}

/** The smallest invalidation that would have removed a stale entry: of the PASID cache (iommu-flush-pasid-cache) where that held it, of the device's own cache (iommu-flush-device-iotlb) where that did, otherwise of the IOTLB (iommu-flush-iotlb). With contract iommufd a flush of the IOTLB reaches the device too. Domain-id 0 without PASID stands for the host's own caches, which the host itself should have flushed. Where a device IOTLB of vhost held the entry, it is the guest's own invalidation at the vIOMMU that is missing, or the notification of it. */
export interface MissingInvalidation {
  /** How much it would cover. */
  granularity: FlushGranularity;
  /** The domain-id of the stale entry; absent where the platform has none. */
  'domain-id'?: number | undefined;
  /** The PASID of the stale entry. */
  pasid?: number | undefined;
  /** First address to cover, with granularity `page`. */
  address?: bigint | undefined;
  /** Bytes to cover, with granularity `page`. */
  size?: bigint | undefined;
}

/** A write to a guest's translation table. */
export interface TableWrite {
  /** Guest-physical address of the 8-byte word that was written. */
  address: bigint;
  /** The word as it was when the old entry was cached; absent where that cannot be told. */
  was?: bigint | undefined;
  /** The word as it is now. */
  is: bigint;
}

/** How a DMA ended. */
export type DmaStatus = 'ok' | 'error';

/** What query-host-iommu returns. */
export interface QueryHostIommuReturn {
  /** What the host's IOMMU can do. */
  capabilities: HostIommuCapabilities;
  /** The host's functions, by PCI address. */
  functions: readonly HostFunctionInfo[];
  /** The page tables in use, by number. */
  'page-tables': readonly HostPageTableInfo[];
  /** The caches. */
  caches: readonly CacheInfo[];
}

/** Arguments of dma-read. */
export interface DmaReadArguments {
  /** The device. */
  device: string;
  /** First address, as the device puts it on the bus. */
  address: Address;
  /** How many bytes. */
  size: Address;
  /** The PASID of the request; absent for one without PASID. */
  pasid?: number | undefined;
  /** How `data` is written; default `base64`. */
  encoding?: Encoding | undefined;
  /** False to reply at once with `dma`; DMA_COMPLETED then tells the end. Default true. */
  wait?: boolean | undefined;
}

/** What dma-read returns. */
export interface DmaReadReturn {
  /** The bytes; absent with `wait` false. */
  data?: string | undefined;
  /** Number of the DMA; with `wait` false only. */
  dma?: number | undefined;
}

/** Arguments of dma-write. */
export interface DmaWriteArguments {
  /** The device. */
  device: string;
  /** First address, as the device puts it on the bus. */
  address: Address;
  /** The bytes. */
  data: string;
  /** The PASID of the request; absent for one without PASID. */
  pasid?: number | undefined;
  /** How `data` is written; default `base64`. */
  encoding?: Encoding | undefined;
  /** False to reply at once with `dma`; DMA_COMPLETED then tells the end. Default true. */
  wait?: boolean | undefined;
}

/** What dma-write returns. */
export interface DmaWriteReturn {
  /** Number of the DMA; with `wait` false only. */
  dma?: number | undefined;
}

/** Data of HOST_STALE_TRANSLATION. */
export interface HostStaleTranslationEvent {
  /** The device. */
  device: string;
  /** The PASID of the request; absent for one without PASID. */
  pasid?: number | undefined;
  /** The address, as the device asked for it. */
  address: bigint;
  /** What it asked for. */
  access: Access;
  /** The cache that held the entry. */
  cache: HostCache;
  /** The translation that was used. */
  cached: HostTranslation;
  /** What the tables give now; absent where they give none. */
  current?: HostTranslation | undefined;
  /** Number of the operation that changed the tables. */
  since: number;
  /** What that operation wrote: of several words the first. Absent where it changed the host's own tables, or which table is in use. */
  write?: TableWrite | undefined;
  /** The invalidation that should have come. */
  missing: MissingInvalidation;
  /** Number of the event, from 1, gapless over all model events. */
  sequence: number;
  /** Number of the operation that caused it; 0 while the machine is built. */
  operation: number;
}

/** Data of DMA_COMPLETED. */
export interface DmaCompletedEvent {
  /** Number of the DMA, from the reply. */
  dma: number;
  /** The device. */
  device: string;
  /** How it ended. */
  status: DmaStatus;
  /** The bytes read, in the encoding asked for. */
  data?: string | undefined;
  /** Why it failed, with status `error`. */
  desc?: string | undefined;
  /** Number of the event, from 1, gapless over all model events. */
  sequence: number;
  /** Number of the operation that caused it; 0 while the machine is built. */
  operation: number;
}

/** A check that the model makes while it runs. */
export type CheckName =
  | 'stale-translation'
  | 'mapping-survives-invalidation'
  | 'bad-unmap'
  | 'transient-empty-table'
  | 'layout-after-reset'
  | 'dead-notifier'
  | 'host-capabilities'
  | 'page-response-once'
  | 'flush-scope'
  | 'over-flush'
  | 'isolation';

/** A step of the model that can be made to go wrong. */
export type FaultPoint = 'map' | 'unmap' | 'bind' | 'attach' | 'detach' | 'invalidate' | 'listener' | 'page-response';

/** How a step goes wrong. */
export type FaultKind = 'fail' | 'lose' | 'delay' | 'reorder';

/** One check, and what it has found. */
export interface ModelCheck {
  /** Its name. */
  name: CheckName;
  /** False when set-check has turned it off. */
  enabled: boolean;
  /** True when a violation stops the machine. */
  stop: boolean;
  /** How often it failed since the start. */
  violations: number;
  /** The latest violation; absent before the first. */
  last?: CheckViolation | undefined;
}

/** One violation of a check. */
export interface CheckViolation {
  /** Sequence number of its event; absent for one that is counted without an event. */
  sequence?: number | undefined;
  /** Number of the operation in which it was seen. */
  operation: number;
  /** What is wrong, as a sentence. */
  desc: string;
}

/** One breakpoint. */
export interface BreakInfo {
  /** Its id, from break-add. */
  id: string;
  /** The glob over names of events. */
  event: string;
  /** The device that events must be about; absent: any, or none. */
  device?: string | undefined;
}

/** One injected fault, and how often it has hit. */
export interface InjectedFault {
  /** Its id, from fault-inject. */
  id: string;
  /** The step. */
  point: FaultPoint;
  /** How it goes wrong. */
  kind: FaultKind;
  /** How many passes are let through first. */
  after: number;
  /** How many passes are hit then. */
  count: number;
  /** Milliseconds of guest time, with kind `delay` alone. */
  'delay-ms'?: number | undefined;
  /** The seed that says which passes are hit; absent: each one. */
  seed?: number | undefined;
  /** The device whose passes count; absent: all of them do. */
  device?: string | undefined;
  /** How many passes it has hit; with as many as `count` it does nothing more. */
  hits: number;
}

/** State of a trace point. */
export type TraceEventState = 'unavailable' | 'disabled' | 'enabled';

/** A trace point. */
export interface TraceEventInfo {
  /** Its name, QEMU's. */
  name: string;
  /** Always false: there are no CPUs that it could be about. */
  vcpu: boolean;
  /** Whether it is on. */
  state: TraceEventState;
}

/** A time of the wall clock. */
export interface EventTimestamp {
  /** Seconds since 1970. */
  seconds: number;
  /** Microseconds of that second. */
  microseconds: number;
}

/** An event of the model, whole, as it was sent. */
export interface LoggedEvent {
  /** When it was sent. */
  timestamp: EventTimestamp;
  /** Its name. */
  event: string;
  /** Its data, with `sequence` and `operation`. */
  data: AnyValue;
}

/** Arguments of trace-event-get-state. */
export interface TraceEventGetStateArguments {
  /** A name, or with `*` in it a glob (there `?` is one character). */
  name: string;
  /** A CPU: there is none. */
  vcpu?: bigint | undefined;
}

/** Arguments of trace-event-set-state. */
export interface TraceEventSetStateArguments {
  /** A name, or with `*` in it a glob (there `?` is one character). */
  name: string;
  /** On, or off. */
  enable: boolean;
  /** Leave out trace points that the program was built without: there are none. */
  'ignore-unavailable'?: boolean | undefined;
  /** A CPU: there is none. */
  vcpu?: bigint | undefined;
}

/** Arguments of query-event-log. */
export interface QueryEventLogArguments {
  /** Sequence number of the first event that is wanted, inclusive; the first of all is 1. Default: the oldest one held. */
  since?: number | undefined;
  /** The most events to return. Default 1000. */
  limit?: number | undefined;
}

/** What query-event-log returns. */
export interface QueryEventLogReturn {
  /** The events, by sequence number, without gaps. */
  events: readonly LoggedEvent[];
  /** The next `since`. */
  next: number;
  /** True when events from `since` on were no longer held; the first one returned is the oldest that is. */
  lost: boolean;
}

/** What query-checks returns. */
export interface QueryChecksReturn {
  /** All checks, always in this order. */
  checks: readonly ModelCheck[];
}

/** Arguments of set-check. */
export interface SetCheckArguments {
  /** Which check. */
  name: CheckName;
  /** False: it is not made, counts nothing and says nothing. At the start each check is made. */
  enabled?: boolean | undefined;
  /** True: a violation stops the machine. False at the start. */
  stop?: boolean | undefined;
}

/** Arguments of break-add. */
export interface BreakAddArguments {
  /** A glob over names of events: `*` is any number of characters, `?` is one. */
  event: string;
  /** Only events about this device: its id, QOM path, or BDF. Default: any event. */
  device?: string | undefined;
}

/** What break-add returns. */
export interface BreakAddReturn {
  /** Id of the breakpoint. */
  id: string;
}

/** Arguments of break-remove. */
export interface BreakRemoveArguments {
  /** Id of the breakpoint. */
  id: string;
}

/** What query-breaks returns. */
export interface QueryBreaksReturn {
  /** In the order in which they were added. */
  breaks: readonly BreakInfo[];
}

/** Arguments of fault-inject. */
export interface FaultInjectArguments {
  /** The step. */
  point: FaultPoint;
  /** How it goes wrong: one of those that the step takes. */
  kind: FaultKind;
  /** How many passes are let through first. Default 0. */
  after?: number | undefined;
  /** How many passes are hit then. Default 1. */
  count?: number | undefined;
  /** Milliseconds of guest time; needed with kind `delay`, and refused with others. */
  'delay-ms'?: number | undefined;
  /** Toss a coin for each pass, by this seed, whether it is hit. Default: each one is. */
  seed?: number | undefined;
  /** Only passes of this device count: its id, QOM path, or BDF. Default: all do. */
  device?: string | undefined;
}

/** What fault-inject returns. */
export interface FaultInjectReturn {
  /** Id of the fault. */
  id: string;
}

/** What query-faults-injected returns. */
export interface QueryFaultsInjectedReturn {
  /** In the order of their injection. */
  faults: readonly InjectedFault[];
}

/** Arguments of fault-clear. */
export interface FaultClearArguments {
  /** Id of the fault. Default: all of them. */
  id?: string | undefined;
}

/** Data of MODEL_CHECK_FAILED. */
export interface ModelCheckFailedEvent {
  /** Which one. */
  check: CheckName;
  /** The device that it is about; absent where it is about none alone. */
  device?: string | undefined;
  /** What is wrong, as a sentence. */
  desc: string;
  /** Number of the event, from 1, gapless over all model events. */
  sequence: number;
  /** Number of the operation that caused it; 0 while the machine is built. */
  operation: number;
}

/** What each command takes, after validation, and returns. */
export interface CommandMap {
  /** End negotiation and enable capabilities. */
  qmp_capabilities: { arguments: QmpCapabilitiesArguments; returns: Empty };
  /** Tell which version of QEMU's monitor this is, and which program. */
  'query-version': { arguments: Empty; returns: VersionInfo };
  /** List the commands. */
  'query-commands': { arguments: Empty; returns: readonly CommandInfo[] };
  /** Describe every command, event and type of this monitor. */
  'query-qmp-schema': { arguments: Empty; returns: readonly SchemaInfo[] };
  /** List the clients that are connected to the monitor sockets. */
  'query-clients': { arguments: Empty; returns: QueryClientsReturn };
  /** Choose which events this client gets. */
  'set-event-filter': { arguments: SetEventFilterArguments; returns: Empty };
  /** Run several commands in order, as one operation. */
  batch: { arguments: BatchArguments; returns: BatchReturn };
  /** Run a command of the human monitor and return what it printed. */
  'human-monitor-command': { arguments: HumanMonitorCommandArguments; returns: string };
  /** List the character devices. */
  'query-chardev': { arguments: Empty; returns: readonly ChardevInfo[] };
  /** Tell whether the machine runs. */
  'query-status': { arguments: Empty; returns: StatusInfo };
  /** Tell the machine's name. */
  'query-name': { arguments: Empty; returns: NameInfo };
  /** Tell the machine's UUID. */
  'query-uuid': { arguments: Empty; returns: UuidInfo };
  /** Tell which instruction set the machine belongs to. */
  'query-target': { arguments: Empty; returns: TargetInfo };
  /** Tell whether KVM is used. */
  'query-kvm': { arguments: Empty; returns: KvmInfo };
  /** Tell how much RAM the machine has. */
  'query-memory-size-summary': { arguments: Empty; returns: MemoryInfo };
  /** Stop the machine. */
  stop: { arguments: Empty; returns: Empty };
  /** Let the machine run. */
  cont: { arguments: Empty; returns: Empty };
  /** Reset the machine. */
  system_reset: { arguments: Empty; returns: Empty };
  /** Press the power button. */
  system_powerdown: { arguments: Empty; returns: Empty };
  /** End the daemon. */
  quit: { arguments: Empty; returns: Empty };
  /** Go on with the start of a daemon that option --preconfig has waiting. */
  'x-exit-preconfig': { arguments: Empty; returns: Empty };
  /** Say what resets, shutdowns, panics and watchdogs do. */
  'set-action': { arguments: SetActionArguments; returns: Empty };
  /** Wake the machine from suspend. */
  system_wakeup: { arguments: Empty; returns: Empty };
  /** Raise a non-maskable interrupt: there is no processor that would see it. */
  'inject-nmi': { arguments: Empty; returns: Empty };
  /** Tell what the machine can do. */
  'query-current-machine': { arguments: Empty; returns: CurrentMachineParams };
  /** Tell what the guest said about ACPI slots: there are none. */
  'query-acpi-ospm-status': { arguments: Empty; returns: readonly ACPIOSTInfo[] };
  /** List the processors: there are none. */
  'query-cpus-fast': { arguments: Empty; returns: readonly CpuInfoFast[] };
  /** List the places for processors: no machine has any. */
  'query-hotpluggable-cpus': { arguments: Empty; returns: readonly HotpluggableCPU[] };
  /** List the machines that -M can name. */
  'query-machines': { arguments: Empty; returns: readonly MachineInfo[] };
  /** List the models of processors: there are none. */
  'query-cpu-definitions': { arguments: Empty; returns: readonly CpuDefinitionInfo[] };
  /** Spell out a model of processors: there are none. */
  'query-cpu-model-expansion': { arguments: QueryCpuModelExpansionArguments; returns: QueryCpuModelExpansionReturn };
  /** Tell what AMD SEV can do: there is none. */
  'query-sev-capabilities': { arguments: Empty; returns: QuerySevCapabilitiesReturn };
  /** Tell what Intel SGX can do: there is none. */
  'query-sgx-capabilities': { arguments: Empty; returns: QuerySgxCapabilitiesReturn };
  /** List options of the command line with their parameters. */
  'query-command-line-options': {
    arguments: QueryCommandLineOptionsArguments;
    returns: readonly CommandLineOptionInfo[];
  };
  /** Give a paused incoming migration a new stream. */
  'migrate-recover': { arguments: MigrateRecoverArguments; returns: Empty };
  /** Pause a migration. */
  'migrate-pause': { arguments: Empty; returns: Empty };
  /** Cut the connections of the instances given. */
  yank: { arguments: YankArguments; returns: Empty };
  /** List what could be yanked. */
  'query-yank': { arguments: Empty; returns: readonly YankInstance[] };
  /** List the properties of an object, its children included. */
  'qom-list': { arguments: QomListArguments; returns: readonly ObjectPropertyInfo[] };
  /** Read a property. */
  'qom-get': { arguments: QomGetArguments; returns: AnyValue };
  /** Write a property. */
  'qom-set': { arguments: QomSetArguments; returns: Empty };
  /** List the types of objects. */
  'qom-list-types': { arguments: QomListTypesArguments; returns: readonly ObjectTypeInfo[] };
  /** List the properties of a type. */
  'qom-list-properties': { arguments: QomListPropertiesArguments; returns: readonly ObjectPropertyInfo[] };
  /** Create an object. */
  'object-add': { arguments: ObjectAddArguments; returns: Empty };
  /** Destroy an object that object-add created. */
  'object-del': { arguments: ObjectDelArguments; returns: Empty };
  /** List the objects that hold RAM. */
  'query-memdev': { arguments: Empty; returns: readonly Memdev[] };
  /** List the iothreads. */
  'query-iothreads': { arguments: Empty; returns: readonly IOThreadInfo[] };
  /** List the properties of a device type. */
  'device-list-properties': { arguments: DeviceListPropertiesArguments; returns: readonly ObjectPropertyInfo[] };
  /** Add a device. */
  device_add: { arguments: AnyObject; returns: Empty };
  /** Unplug a device. */
  device_del: { arguments: DeviceDelArguments; returns: Empty };
  /** List the PCI functions as their configuration space shows them. */
  'query-pci': { arguments: Empty; returns: readonly PciInfo[] };
  /** List the address spaces with the trees of their regions. */
  'query-address-spaces': { arguments: Empty; returns: QueryAddressSpacesReturn };
  /** Tell what is visible in an address space, and which regions are hidden by what. */
  'query-flat-view': { arguments: QueryFlatViewArguments; returns: QueryFlatViewReturn };
  /** Read guest memory. */
  'memory-read': { arguments: MemoryReadArguments; returns: MemoryReadReturn };
  /** Write guest memory. */
  'memory-write': { arguments: MemoryWriteArguments; returns: Empty };
  /** Save guest memory to a file. */
  pmemsave: { arguments: PmemsaveArguments; returns: Empty };
  /** Bind a guest PASID table to a device. */
  'iommu-bind-pasid-table': { arguments: IommuBindPasidTableArguments; returns: IommuBindPasidTableReturn };
  /** Take a device's guest PASID table away. */
  'iommu-unbind-pasid-table': { arguments: IommuUnbindPasidTableArguments; returns: ListenersReturn };
  /** Drop cached translations of a device's guest PASID table. */
  'iommu-flush-iotlb': { arguments: FlushIotlbArguments; returns: FlushReturn };
  /** The same as iommu-flush-iotlb. */
  'flush-iotlb': { arguments: FlushIotlbArguments; returns: FlushReturn };
  /** Drop cached PASID table entries of a device. */
  'iommu-flush-pasid-cache': { arguments: IommuFlushPasidCacheArguments; returns: FlushReturn };
  /** Drop translations that a device keeps itself (ATS). */
  'iommu-flush-device-iotlb': { arguments: IommuFlushDeviceIotlbArguments; returns: IommuFlushDeviceIotlbReturn };
  /** Switch a device's address space between bypass and translation. */
  'iommu-set-bypass': { arguments: IommuSetBypassArguments; returns: Empty };
  /** List the vIOMMUs: mode, capabilities, devices, bindings and caches. */
  'query-iommus': { arguments: Empty; returns: QueryIommusReturn };
  /** List who is registered with which notifier framework. */
  'query-iommu-notifiers': { arguments: Empty; returns: QueryIommuNotifiersReturn };
  /** Tell what an address would become if a device used it. */
  'iommu-translate': { arguments: IommuTranslateArguments; returns: TranslationResult };
  /** List the entries of the vIOMMUs' or the host's IOTLB. */
  'query-iotlb': { arguments: QueryIotlbArguments; returns: QueryIotlbReturn };
  /** List the groups of page requests that wait for an answer. */
  'query-page-requests': { arguments: Empty; returns: QueryPageRequestsReturn };
  /** Answer a group of page requests of a device. */
  'page-response': { arguments: PageResponseArguments; returns: Empty };
  /** Tell which devices reach an address, with which PASIDs and by which addresses of theirs. */
  'iommu-reverse-translate': { arguments: IommuReverseTranslateArguments; returns: IommuReverseTranslateReturn };
  /** List what the guest's tables map for a device. */
  'query-iommu-mappings': { arguments: QueryIommuMappingsArguments; returns: QueryIommuMappingsReturn };
  /** Have the guest set up a vIOMMU and turn its translation on. */
  'guest-iommu-enable': { arguments: GuestIommuEnableArguments; returns: GuestIommuEnableReturn };
  /** Have the guest map addresses for a device's DMA. */
  'guest-dma-map': { arguments: GuestDmaMapArguments; returns: Empty };
  /** Have the guest take a mapping away. */
  'guest-dma-unmap': { arguments: GuestDmaUnmapArguments; returns: Empty };
  /** Have the guest give a PASID of a device a first-stage page table. */
  'guest-svm-bind': { arguments: GuestSvmBindArguments; returns: Empty };
  /** Have the guest take a PASID's page table away. */
  'guest-svm-unbind': { arguments: GuestSvmUnbindArguments; returns: Empty };
  /** Have the guest make one request to a virtio-iommu, whatever it asks for. */
  'guest-virtio-iommu': { arguments: GuestVirtioIommuArguments; returns: GuestVirtioIommuReturn };
  /** Have the guest make one hypercall, whatever it asks for. */
  'guest-hypercall': { arguments: GuestHypercallArguments; returns: GuestHypercallReturn };
  /** Have the guest make one RTAS call. */
  'guest-rtas': { arguments: GuestRtasArguments; returns: GuestRtasReturn };
  /** List the DMA windows of the machine. */
  'query-tce-windows': { arguments: Empty; returns: QueryTceWindowsReturn };
  /** Have the guest issue one instruction, or ask for one service, that is about PCI functions. */
  'guest-zpci': { arguments: GuestZpciArguments; returns: GuestZpciReturn };
  /** List the VFIO containers. */
  'query-vfio': { arguments: Empty; returns: QueryVfioReturn };
  /** List the devices that vhost serves, with their device IOTLBs. */
  'query-vhost': { arguments: Empty; returns: QueryVhostReturn };
  /** Have the guest drive a network card: reset it, give it two empty rings and set it to work. */
  'guest-vhost-start': { arguments: GuestVhostStartArguments; returns: Empty };
  /** Have the guest offer a network card buffers, and take back what it is done with. */
  'guest-vhost-transfer': { arguments: GuestVhostTransferArguments; returns: GuestVhostTransferReturn };
  /** Describe the modelled host: its IOMMU, functions, page tables and caches. */
  'query-host-iommu': { arguments: Empty; returns: QueryHostIommuReturn };
  /** Let a device read memory. */
  'dma-read': { arguments: DmaReadArguments; returns: DmaReadReturn };
  /** Let a device write memory. */
  'dma-write': { arguments: DmaWriteArguments; returns: DmaWriteReturn };
  /** Tell which trace points are on. */
  'trace-event-get-state': { arguments: TraceEventGetStateArguments; returns: readonly TraceEventInfo[] };
  /** Switch trace points on or off. */
  'trace-event-set-state': { arguments: TraceEventSetStateArguments; returns: Empty };
  /** Read events of the model that have been sent already. */
  'query-event-log': { arguments: QueryEventLogArguments; returns: QueryEventLogReturn };
  /** List the checks that the model makes, and what they have found. */
  'query-checks': { arguments: Empty; returns: QueryChecksReturn };
  /** Turn a check on or off, or let its violations stop the machine. */
  'set-check': { arguments: SetCheckArguments; returns: Empty };
  /** Stop the machine at events of the model. */
  'break-add': { arguments: BreakAddArguments; returns: BreakAddReturn };
  /** Remove a breakpoint. */
  'break-remove': { arguments: BreakRemoveArguments; returns: Empty };
  /** List the breakpoints. */
  'query-breaks': { arguments: Empty; returns: QueryBreaksReturn };
  /** Let a step of the model go wrong. */
  'fault-inject': { arguments: FaultInjectArguments; returns: FaultInjectReturn };
  /** List the injected faults. */
  'query-faults-injected': { arguments: Empty; returns: QueryFaultsInjectedReturn };
  /** Take back one injected fault, or all. */
  'fault-clear': { arguments: FaultClearArguments; returns: Empty };
}

export type CommandName = keyof CommandMap;

/** The data of each event. */
export interface EventMap {
  /** Events were dropped because this client did not read them. */
  EVENT_LOSS: EventLossEvent;
  /** The machine was shut down. */
  SHUTDOWN: ShutdownEvent;
  /** The power button was pressed. */
  POWERDOWN: Empty;
  /** The machine was reset. */
  RESET: ResetEvent;
  /** The machine was stopped. */
  STOP: Empty;
  /** The machine runs again. */
  RESUME: Empty;
  /** A device is gone. */
  DEVICE_DELETED: DeviceDeletedEvent;
  /** A guest PASID table was bound. */
  IOMMU_PASID_TABLE_BOUND: IommuPasidTableBoundEvent;
  /** A guest PASID table was unbound. */
  IOMMU_PASID_TABLE_UNBOUND: IommuPasidTableUnboundEvent;
  /** A bind that the guest asked for by its tables and registers was refused. */
  IOMMU_PASID_TABLE_BIND_FAILED: IommuPasidTableBindFailedEvent;
  /** A PASID of a device was attached to a page table of the host. */
  IOMMU_PASID_ATTACHED: IommuPasidAttachedEvent;
  /** A PASID of a device is attached to no page table any more. */
  IOMMU_PASID_DETACHED: IommuPasidDetachedEvent;
  /** A flush of the guest's first stage was passed on. */
  IOMMU_IOTLB_FLUSHED: IommuIotlbFlushedEvent;
  /** A flush of the PASID cache was passed on. */
  IOMMU_PASID_CACHE_FLUSHED: IommuPasidCacheFlushedEvent;
  /** An invalidation reached the cache of a host function (ATS). */
  IOMMU_DEVICE_IOTLB_FLUSHED: IommuDeviceIotlbFlushedEvent;
  /** A device's address space changed between bypass and translation. */
  IOMMU_REGION_SWITCHED: IommuRegionSwitchedEvent;
  /** A vIOMMU recorded a fault, where its guest driver can read it. */
  IOMMU_FAULT: IommuFaultEvent;
  /** A device asks for a page that it misses. */
  IOMMU_PAGE_REQUEST: IommuPageRequestEvent;
  /** Region notifiers were told of a mapping. */
  IOMMU_MAPPED: IommuMappedEvent;
  /** Region notifiers were told that a mapping went. */
  IOMMU_UNMAPPED: IommuUnmappedEvent;
  /** A container maps a range. */
  VFIO_DMA_MAPPED: VfioDmaMappedEvent;
  /** A container no longer maps a range. */
  VFIO_DMA_UNMAPPED: VfioDmaUnmappedEvent;
  /** vhost and the process that it serves have spoken about the device IOTLB. */
  VHOST_IOTLB_MESSAGE: VhostIotlbMessageEvent;
  /** A DMA used a cached translation that is no longer what the tables give. */
  HOST_STALE_TRANSLATION: HostStaleTranslationEvent;
  /** A DMA that was not waited for has ended. */
  DMA_COMPLETED: DmaCompletedEvent;
  /** A check of the model failed. */
  MODEL_CHECK_FAILED: ModelCheckFailedEvent;
}

export type EventName = keyof EventMap;

/** The events of the model: those with `sequence` and `operation`. */
export type ModelEventName =
  | 'IOMMU_PASID_TABLE_BOUND'
  | 'IOMMU_PASID_TABLE_UNBOUND'
  | 'IOMMU_PASID_TABLE_BIND_FAILED'
  | 'IOMMU_PASID_ATTACHED'
  | 'IOMMU_PASID_DETACHED'
  | 'IOMMU_IOTLB_FLUSHED'
  | 'IOMMU_PASID_CACHE_FLUSHED'
  | 'IOMMU_DEVICE_IOTLB_FLUSHED'
  | 'IOMMU_REGION_SWITCHED'
  | 'IOMMU_FAULT'
  | 'IOMMU_PAGE_REQUEST'
  | 'IOMMU_MAPPED'
  | 'IOMMU_UNMAPPED'
  | 'VFIO_DMA_MAPPED'
  | 'VFIO_DMA_UNMAPPED'
  | 'VHOST_IOTLB_MESSAGE'
  | 'HOST_STALE_TRANSLATION'
  | 'DMA_COMPLETED'
  | 'MODEL_CHECK_FAILED';
