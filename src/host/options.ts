import { parseBdf } from '../core/bdf.ts';
import type { Bdf } from '../core/bdf.ts';
import { CommandError } from '../core/errors.ts';
import type { HostCapabilities } from '../memory/host-device.ts';
import type { PasidTableFormat } from '../memory/iommu-object.ts';

/** What the `host-iommu` object sets; absent members keep their defaults. */
export interface HostIommuOptions {
  /** Width of a second-stage input address: 30 to 64 bits, default 48. */
  readonly addressBits?: number;
  /** In bytes, out of 4 KiB, 2 MiB and 1 GiB; 4 KiB must be among them. Default: all three. */
  readonly pageSizes?: readonly bigint[];
  /** 0 to 20, default 20. */
  readonly pasidBits?: number;
  readonly nesting?: boolean;
  readonly formats?: readonly PasidTableFormat[];
  readonly ats?: boolean;
  readonly pageRequests?: boolean;
  /** Default on. */
  readonly dirtyTracking?: boolean;
  /** Default on. */
  readonly coherency?: boolean;
  /** Default off. */
  readonly errata772415?: boolean;
  /** Nested page tables, one for each attached PASID: 1 to 2^20, default 4096. */
  readonly maxPageTables?: number;
  /** Entries of the IOTLB: 1 to 2^20, default 4096. */
  readonly iotlbSize?: number;
  /** Entries of the PASID cache: 1 to 2^20, default 512. */
  readonly pasidCacheSize?: number;
  /** Entries of the context cache: 1 to 2^16, default 64. */
  readonly contextCacheSize?: number;
  /** Entries of each function's own cache of translations (ATS): 1 to 2^16, default 64. */
  readonly atsCacheSize?: number;
  /** Seed of the replacement in the caches: 0 to 2^32 - 1, default 1. */
  readonly seed?: number;
  /** False: the host has only the functions that are declared. Default on. */
  readonly builtInFunctions?: boolean;
}

/** One function of the host. */
export interface HostFunctionOptions {
  readonly bdf: Bdf;
  /** The IOMMU group; a function without one cannot be assigned. */
  readonly group?: number;
  /** 0 (no PASID capability) to 20, default 20. */
  readonly pasidBits?: number;
  readonly ats?: boolean;
  readonly pageRequests?: boolean;
  /** The function is a virtual one of this; both default and limit of its PASID bits and page requests are that one's. */
  readonly physicalFunction?: Bdf;
  /** It comes with the host and was not declared. */
  readonly builtIn?: boolean;
}

/** Options with every default filled in and every limit checked. */
export interface HostIommuSettings {
  readonly capabilities: HostCapabilities;
  readonly iotlbSize: number;
  readonly pasidCacheSize: number;
  readonly contextCacheSize: number;
  readonly atsCacheSize: number;
  readonly seed: number;
  readonly maxPageTables: number;
}

const bdf = (bus: number, device: number, fn: number): Bdf => ({ segment: 0, bus, device, function: fn });

/** The functions that a host has unless it is told otherwise. The last is a bridge in no group. */
export const BUILT_IN_FUNCTIONS: readonly HostFunctionOptions[] = [
  { bdf: bdf(0x3b, 0, 0), group: 1 },
  { bdf: bdf(0x3b, 0, 1), group: 2 },
  { bdf: bdf(0x5e, 0, 0), group: 3 },
  { bdf: bdf(0, 0, 0), pasidBits: 0, ats: false, pageRequests: false },
];

const KNOWN_PAGE_SIZES: readonly bigint[] = [0x1000n, 0x20_0000n, 0x4000_0000n];
/** What the nested walk knows how to read. */
const KNOWN_FORMATS: readonly PasidTableFormat[] = ['vtd-scalable', 'vtd-ecs', 'amd-gcr3'];
/** A host is Intel's unless it, or the vIOMMU of its guest, says otherwise. */
const DEFAULT_FORMATS: readonly PasidTableFormat[] = ['vtd-scalable', 'vtd-ecs'];
/** PCI Express gives a PASID 20 bits. */
export const MAXIMUM_PASID_BITS = 20;
const MAXIMUM_ENTRIES = 2 ** 20;

/** @throws CommandError for the first value outside its limits, naming both */
export function settingsOf(options: HostIommuOptions): HostIommuSettings {
  const pageSizes = [...(options.pageSizes ?? KNOWN_PAGE_SIZES)].sort((one, other) => (one < other ? -1 : 1));
  const unknownSize = pageSizes.find((size) => !KNOWN_PAGE_SIZES.includes(size));
  if (unknownSize !== undefined) {
    throw new CommandError(`Parameter 'page-sizes' does not take ${unknownSize}: a page has 4K, 2M or 1G bytes`);
  }
  if (pageSizes[0] !== KNOWN_PAGE_SIZES[0]) {
    throw new CommandError(
      "Parameter 'page-sizes' must have 4K among its values: guests map RAM in pages of that size",
    );
  }
  const formats = options.formats ?? DEFAULT_FORMATS;
  for (const format of formats) {
    if (!KNOWN_FORMATS.includes(format)) {
      throw new CommandError(
        `Parameter 'formats' does not take '${format}': the host IOMMU walks ${KNOWN_FORMATS.join(', ')}`,
      );
    }
  }
  return {
    capabilities: {
      addressBits: within('address-bits', options.addressBits ?? 48, 30, 64),
      pageSizes,
      pasidBits: within('pasid-bits', options.pasidBits ?? MAXIMUM_PASID_BITS, 0, MAXIMUM_PASID_BITS),
      nesting: options.nesting ?? true,
      formats: KNOWN_FORMATS.filter((format) => formats.includes(format)),
      ats: options.ats ?? true,
      pageRequests: options.pageRequests ?? true,
      dirtyTracking: options.dirtyTracking ?? true,
      coherency: options.coherency ?? true,
      errata772415: options.errata772415 ?? false,
    },
    maxPageTables: within('max-page-tables', options.maxPageTables ?? 4096, 1, MAXIMUM_ENTRIES),
    iotlbSize: within('iotlb-size', options.iotlbSize ?? 4096, 1, MAXIMUM_ENTRIES),
    pasidCacheSize: within('pasid-cache-size', options.pasidCacheSize ?? 512, 1, MAXIMUM_ENTRIES),
    contextCacheSize: within('context-cache-size', options.contextCacheSize ?? 64, 1, 2 ** 16),
    atsCacheSize: within('ats-cache-size', options.atsCacheSize ?? 64, 1, 2 ** 16),
    seed: within('seed', options.seed ?? 1, 0, 0xffff_ffff),
  };
}

/** A number of an option between two limits, both inclusive. @throws CommandError */
export function within(name: string, value: number, lowest: number, highest: number): number {
  if (Number.isInteger(value) && value >= lowest && value <= highest) return value;
  throw new CommandError(
    `Parameter '${name}' does not take ${value}: give a whole number from ${lowest} to ${highest}`,
  );
}

/** Option values as a command line (strings) or a JSON object (typed) gives them. */
export type OptionValues = Readonly<Record<string, string | number | boolean | bigint>>;

/**
 * Reads the properties of a `host-iommu` object.
 * @throws CommandError for a value of the wrong form and for unknown properties
 */
export function parseHostIommuOptions(values: OptionValues): HostIommuOptions {
  const options: { -readonly [Name in keyof HostIommuOptions]: HostIommuOptions[Name] } = {};
  for (const [name, value] of Object.entries(values)) {
    switch (name) {
      case 'address-bits':
        options.addressBits = asNumber(name, value);
        break;
      case 'page-sizes':
        options.pageSizes = asList(value).map((size) => asPageSize(size));
        break;
      case 'pasid-bits':
        options.pasidBits = asNumber(name, value);
        break;
      case 'nesting':
        options.nesting = asSwitch(name, value);
        break;
      case 'formats':
        options.formats = asList(value).map((format) => asFormat(format));
        break;
      case 'ats':
        options.ats = asSwitch(name, value);
        break;
      case 'page-requests':
        options.pageRequests = asSwitch(name, value);
        break;
      case 'dirty-tracking':
        options.dirtyTracking = asSwitch(name, value);
        break;
      case 'coherency':
        options.coherency = asSwitch(name, value);
        break;
      case 'errata-772415':
        options.errata772415 = asSwitch(name, value);
        break;
      case 'max-page-tables':
        options.maxPageTables = asNumber(name, value);
        break;
      case 'iotlb-size':
        options.iotlbSize = asNumber(name, value);
        break;
      case 'pasid-cache-size':
        options.pasidCacheSize = asNumber(name, value);
        break;
      case 'context-cache-size':
        options.contextCacheSize = asNumber(name, value);
        break;
      case 'ats-cache-size':
        options.atsCacheSize = asNumber(name, value);
        break;
      case 'seed':
        options.seed = asNumber(name, value);
        break;
      case 'built-in-functions':
        options.builtInFunctions = asSwitch(name, value);
        break;
      default:
        throw new CommandError(`Property 'host-iommu.${name}' not found`);
    }
  }
  settingsOf(options);
  return options;
}

/**
 * Reads the properties of a `host-function` object: bdf (required), group, pasid-bits, ats, pri, pf.
 * @throws CommandError for a value of the wrong form, a missing bdf and unknown properties
 */
export function parseHostFunctionOptions(values: OptionValues): HostFunctionOptions {
  const text = values['bdf'];
  if (text === undefined) throw new CommandError("Parameter 'bdf' is missing");
  const options: { -readonly [Name in keyof HostFunctionOptions]: HostFunctionOptions[Name] } = {
    bdf: asBdf('bdf', text),
  };
  for (const [name, value] of Object.entries(values)) {
    switch (name) {
      case 'bdf':
        break;
      case 'group':
        options.group = within(name, asNumber(name, value), 0, 0x7fff_ffff);
        break;
      case 'pasid-bits':
        options.pasidBits = within(name, asNumber(name, value), 0, MAXIMUM_PASID_BITS);
        break;
      case 'ats':
        options.ats = asSwitch(name, value);
        break;
      case 'pri':
        options.pageRequests = asSwitch(name, value);
        break;
      case 'pf':
        options.physicalFunction = asBdf(name, value);
        break;
      default:
        throw new CommandError(`Property 'host-function.${name}' not found`);
    }
  }
  return options;
}

type OptionValue = OptionValues[string];

function asBdf(name: string, value: OptionValue): Bdf {
  const parsed = parseBdf(String(value));
  if (parsed !== null) return parsed;
  throw new CommandError(
    `Property 'host-function.${name}' doesn't take value '${value}': give segment:bus:device.function, 0000:3b:00.0 for instance`,
  );
}

function asNumber(name: string, value: OptionValue): number {
  const number = typeof value === 'string' && /^(0x[0-9a-f]+|[0-9]+)$/i.test(value) ? Number(value) : value;
  if (typeof number === 'number') return number;
  if (typeof number === 'bigint') return Number(number);
  throw new CommandError(`Parameter '${name}' expects a number`);
}

function asSwitch(name: string, value: OptionValue): boolean {
  if (value === true || value === 'on' || value === 'yes' || value === 'true') return true;
  if (value === false || value === 'off' || value === 'no' || value === 'false') return false;
  throw new CommandError(`Parameter '${name}' expects 'on' or 'off'`);
}

/** A list on the command line separates its values by colons, since the comma ends a property. */
function asList(value: OptionValue): string[] {
  return String(value).split(':');
}

function asPageSize(text: string): bigint {
  const match = /^(\d+)([kmg]?)$/i.exec(text);
  if (match === null)
    throw new CommandError(`Parameter 'page-sizes' does not take '${text}': give sizes like 4K:2M:1G`);
  const shift = { '': 0n, k: 10n, m: 20n, g: 30n }[match[2]!.toLowerCase() as '' | 'k' | 'm' | 'g'];
  return BigInt(match[1]!) << shift;
}

function asFormat(text: string): PasidTableFormat {
  if (text === 'vtd-scalable' || text === 'vtd-ecs' || text === 'amd-gcr3') return text;
  throw new CommandError(
    `Parameter 'formats' does not take '${text}': the host IOMMU walks ${KNOWN_FORMATS.join(', ')}`,
  );
}
