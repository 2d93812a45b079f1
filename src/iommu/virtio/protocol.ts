/** What the guest and the device say to each other (Virtio 1.2, section 5.13). All numbers are little-endian. */

/** The virtio device ID of an IOMMU. */
export const IOMMU_DEVICE_ID = 23;

/** Numbers of the queues, and how many descriptors QEMU gives each. */
export const Queue = { request: 0, event: 1 } as const;
export const QUEUE_SIZE = 256;

/** Feature bits (section 5.13.3). */
export const IommuFeature = { inputRange: 0, domainRange: 1, mapUnmap: 2, probe: 4, mmio: 5, bypassConfig: 6 } as const;

export const RequestType = { attach: 1, detach: 2, map: 3, unmap: 4, probe: 5 } as const;

/** Status of a request (section 5.13.6). */
export const RequestStatus = {
  ok: 0,
  ioError: 1,
  unsupported: 2,
  deviceError: 3,
  invalid: 4,
  range: 5,
  noEntry: 6,
  fault: 7,
  noMemory: 8,
} as const;

/** Of an attach: the domain lets everything through. */
export const ATTACH_BYPASS = 1;

/** Of a mapping. */
export const MapFlag = { read: 1, write: 2, mmio: 4 } as const;

/** A request begins with its type and 3 reserved bytes, and ends with its status and 3 more. */
export const HEAD_SIZE = 4;
export const TAIL_SIZE = 4;

/** Bytes of the properties that a probe gives. */
export const PROBE_SIZE = 512;

/** Bytes of what the device reads of each request, its head included. */
export const REQUEST_SIZE = { attach: 20, detach: 20, map: 36, unmap: 28, probe: 72 } as const;

/** Of a reserved region that a probe tells (section 5.13.6.7.2.1). */
export const ReservedKind = { reserved: 0, msi: 1 } as const;
export const RESERVED_PROPERTY = 1;
/** Bytes behind the header of the property. */
export const RESERVED_LENGTH = 20;

/** Reasons of a fault report, and its flags (section 5.13.6.9). */
export const FaultCode = { unknown: 0, domain: 1, mapping: 2 } as const;
export const FaultFlag = { read: 1, write: 2, execute: 4, address: 0x100 } as const;
export const FAULT_SIZE = 24;

/** Offsets in the configuration (section 5.13.4). */
export const ConfigOffset = {
  pageSizeMask: 0,
  inputStart: 8,
  inputEnd: 16,
  domainStart: 24,
  domainEnd: 28,
  probeSize: 32,
  bypass: 36,
} as const;
export const CONFIG_SIZE = 40;

export type IommuRequest =
  | { readonly type: 'attach'; readonly domain: number; readonly endpoint: number; readonly flags: number }
  | { readonly type: 'detach'; readonly domain: number; readonly endpoint: number }
  | {
      readonly type: 'map';
      readonly domain: number;
      /** First and inclusive last address. */
      readonly start: bigint;
      readonly last: bigint;
      /** Guest-physical. */
      readonly physical: bigint;
      readonly flags: number;
    }
  | { readonly type: 'unmap'; readonly domain: number; readonly start: bigint; readonly last: bigint }
  | { readonly type: 'probe'; readonly endpoint: number };

/** What the bytes ask for; the status that refuses them where that cannot be said. Reserved bytes are not looked at. */
export function decodeRequest(bytes: Uint8Array): IommuRequest | number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const type = NAMES.get(bytes[0] ?? 0);
  if (type === undefined) return RequestStatus.unsupported;
  if (bytes.length < REQUEST_SIZE[type]) return RequestStatus.invalid;
  const first = view.getUint32(4, true);
  const second = view.getUint32(8, true);
  switch (type) {
    case 'attach':
      return { type, domain: first, endpoint: second, flags: view.getUint32(12, true) };
    case 'detach':
      return { type, domain: first, endpoint: second };
    case 'map': {
      const [start, last, physical] = [8, 16, 24].map((offset) => view.getBigUint64(offset, true));
      return { type, domain: first, start: start!, last: last!, physical: physical!, flags: view.getUint32(32, true) };
    }
    case 'unmap':
      return { type, domain: first, start: view.getBigUint64(8, true), last: view.getBigUint64(16, true) };
    case 'probe':
      return { type, endpoint: first };
  }
}

/** A request as the driver sends it, without the room for the answer. */
export function encodeRequest(request: IommuRequest): Uint8Array {
  const bytes = new Uint8Array(REQUEST_SIZE[request.type]);
  const view = new DataView(bytes.buffer);
  bytes[0] = RequestType[request.type];
  view.setUint32(4, request.type === 'probe' ? request.endpoint : request.domain, true);
  if (request.type === 'attach' || request.type === 'detach') view.setUint32(8, request.endpoint, true);
  if (request.type === 'attach') view.setUint32(12, request.flags, true);
  if (request.type === 'map' || request.type === 'unmap') {
    view.setBigUint64(8, request.start, true);
    view.setBigUint64(16, request.last, true);
  }
  if (request.type === 'map') {
    view.setBigUint64(24, request.physical, true);
    view.setUint32(32, request.flags, true);
  }
  return bytes;
}

const NAMES = new Map<number, IommuRequest['type']>(
  Object.entries(RequestType).map(([name, number]) => [number, name as IommuRequest['type']]),
);
