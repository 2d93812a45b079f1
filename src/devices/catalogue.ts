import { registerPciTypes } from '../pci/types.ts';
import type { TypeDefinition, TypeRegistry } from '../qom/type-registry.ts';
import { virtioPciProperties } from '../virtio/properties.ts';
import { AmdIommuDevice, amdIommuProperties } from './amd-iommu.ts';
import { AmdviPciDevice } from './amdvi-pci.ts';
import type { DeviceContext } from './context.ts';
import { DmaAgent, dmaAgentProperties } from './dma-agent.ts';
import { EduDevice, eduProperties } from './edu.ts';
import { HostFunctionObject, HostIommuObject, hostFunctionProperties, hostIommuProperties } from './host-objects.ts';
import { IntelIommuDevice, intelIommuProperties, intelIommuTreeOrder, x86IommuProperties } from './intel-iommu.ts';
import { IommufdObject, iommufdProperties } from './iommufd.ts';
import { eventLoopProperties, Iothread, iothreadProperties } from './iothread.ts';
import { IommuTestdev } from './iommu-testdev.ts';
import { MemoryControllerHub } from './mch.ts';
import { MemoryBackend, MemoryBackendMemfd, memfdProperties, memoryBackendProperties } from './memory-backend.ts';
import { MemoryBackendFile, memoryBackendFileProperties } from './memory-backend-file.ts';
import { PciTestdev, pciTestdevProperties } from './pci-testdev.ts';
import { Q35_FUNCTIONS, Q35FixedFunction } from './q35-functions.ts';
import { VfioPciDevice, vfioPciProperties } from './vfio-pci.ts';
import { ThreadContext, threadContextProperties } from './thread-context.ts';
import { vfioPciBootIndex, vfioPciSettingsBefore, vfioPciSettingsBehind } from './vfio-pci-settings.ts';
import { registerVioTypes } from './vio/vio-bridge.ts';
import { VhostAgent, vhostAgentProperties } from './vhost-agent.ts';
import { VirtioIommuPciDevice, virtioIommuProperties } from './virtio-iommu-pci.ts';

/** PCI and PCI Express: a function that can sit on either kind of bus. */
const EITHER_PCI = ['pci-express-device', 'conventional-pci-device'];

function pciTypes(context: DeviceContext): readonly TypeDefinition[] {
  return [
    {
      name: 'vfio-pci',
      parent: 'pci-device',
      interfaces: EITHER_PCI,
      description: 'VFIO-based PCI device assignment',
      properties: [
        ...vfioPciSettingsBefore,
        vfioPciProperties.sysfsdev,
        vfioPciProperties.host,
        ...vfioPciSettingsBehind,
        vfioPciProperties.iommufd,
        vfioPciProperties.ats,
        vfioPciProperties.pri,
        vfioPciProperties.shared,
      ],
      instanceProperties: [vfioPciBootIndex],
      create: (type) => new VfioPciDevice(type, context),
    },
    {
      name: 'vfio-pci-nohotplug',
      parent: 'vfio-pci',
      hotpluggable: false,
      create: (type) => new VfioPciDevice(type, context),
    },
    {
      name: 'edu',
      parent: 'pci-device',
      interfaces: ['conventional-pci-device'],
      instanceProperties: Object.values(eduProperties),
      create: (type) => new EduDevice(type, context),
    },
    {
      name: 'dma-agent',
      parent: 'pci-device',
      interfaces: EITHER_PCI,
      description: 'DMA on command, with PASID and ATS',
      properties: Object.values(dmaAgentProperties),
      create: (type) => new DmaAgent(type, context),
    },
    {
      name: 'pci-testdev',
      parent: 'pci-device',
      interfaces: ['conventional-pci-device'],
      description: 'PCI Test Device',
      properties: Object.values(pciTestdevProperties),
      create: (type) => new PciTestdev(type),
    },
    {
      name: 'iommu-testdev',
      parent: 'pci-device',
      interfaces: ['conventional-pci-device'],
      description: 'A test device for IOMMU',
      create: (type) => new IommuTestdev(type, context),
    },
    { name: 'virtio-pci', parent: 'pci-device', abstract: true, properties: virtioPciProperties },
    {
      name: 'virtio-iommu-pci',
      aliases: ['virtio-iommu'],
      parent: 'virtio-pci',
      interfaces: EITHER_PCI,
      hotpluggable: false,
      properties: Object.values(virtioIommuProperties),
      create: (type) => new VirtioIommuPciDevice(type, context),
    },
    {
      name: 'vhost-agent',
      parent: 'virtio-pci',
      interfaces: EITHER_PCI,
      description: 'virtio network card in loopback, served by vhost',
      properties: Object.values(vhostAgentProperties),
      create: (type) => new VhostAgent(type, context),
    },
    {
      name: 'AMDVI-PCI',
      parent: 'pci-device',
      interfaces: ['conventional-pci-device'],
      description: 'AMD IOMMU (AMD-Vi) DMA Remapping device',
      create: (type) => new AmdviPciDevice(type),
    },
    ...Q35_FUNCTIONS.map(
      ({ driver, aliases = [], identity, pluggable }): TypeDefinition => ({
        name: driver,
        aliases,
        parent: 'pci-device',
        interfaces: ['conventional-pci-device'],
        pluggable,
        create: (type) =>
          driver === 'mch' ? new MemoryControllerHub(type, context) : new Q35FixedFunction(type, identity),
      }),
    ),
  ];
}

function systemTypes(context: DeviceContext, types: TypeRegistry): readonly TypeDefinition[] {
  return [
    {
      name: 'x86-iommu',
      parent: 'sys-bus-device',
      abstract: true,
      properties: x86IommuProperties,
      treeOrder: ['intremap', 'device-iotlb', 'pt'],
    },
    {
      name: 'intel-iommu',
      parent: 'x86-iommu',
      description: 'Intel IOMMU (VT-d) DMA Remapping device',
      pluggable: true,
      hotpluggable: false,
      properties: intelIommuProperties,
      treeOrder: intelIommuTreeOrder,
      create: (type) => new IntelIommuDevice(type, context),
    },
    {
      name: 'amd-iommu',
      parent: 'x86-iommu',
      description: 'AMD IOMMU (AMD-Vi) DMA Remapping device',
      pluggable: true,
      hotpluggable: false,
      properties: amdIommuProperties,
      create: (type) => new AmdIommuDevice(type, context, () => types.require('AMDVI-PCI')),
    },
  ];
}

function userTypes(context: DeviceContext): readonly TypeDefinition[] {
  return [
    {
      name: 'memory-backend',
      parent: 'object',
      abstract: true,
      interfaces: ['user-creatable'],
      properties: Object.values(memoryBackendProperties),
    },
    {
      name: 'memory-backend-ram',
      parent: 'memory-backend',
      create: (type) => new MemoryBackend(type, context),
    },
    {
      name: 'memory-backend-file',
      parent: 'memory-backend',
      properties: memoryBackendFileProperties,
      create: (type) => new MemoryBackendFile(type, context),
    },
    {
      name: 'memory-backend-memfd',
      parent: 'memory-backend',
      properties: memfdProperties,
      create: (type) => new MemoryBackendMemfd(type, context),
    },
    {
      name: 'event-loop-base',
      parent: 'object',
      abstract: true,
      interfaces: ['user-creatable'],
      properties: Object.values(eventLoopProperties),
    },
    {
      name: 'iothread',
      parent: 'event-loop-base',
      properties: Object.values(iothreadProperties),
      create: (type) => new Iothread(type),
    },
    {
      name: 'thread-context',
      parent: 'object',
      interfaces: ['user-creatable'],
      properties: threadContextProperties,
      create: (type) => new ThreadContext(type),
    },
    {
      name: 'iommufd',
      parent: 'object',
      interfaces: ['user-creatable'],
      properties: Object.values(iommufdProperties),
      create: (type) => new IommufdObject(type, context),
    },
    {
      name: 'host-iommu',
      parent: 'object',
      interfaces: ['user-creatable'],
      properties: hostIommuProperties,
      create: (type) => new HostIommuObject(type, context),
    },
    {
      name: 'host-function',
      parent: 'object',
      interfaces: ['user-creatable'],
      properties: hostFunctionProperties,
      create: (type) => new HostFunctionObject(type, context),
    },
  ];
}

/** Registers every type of device and object that a user or a machine can create. */
export function registerDeviceTypes(types: TypeRegistry, context: DeviceContext): void {
  registerPciTypes(types);
  registerVioTypes(types);
  for (const definition of [...pciTypes(context), ...systemTypes(context, types), ...userTypes(context)]) {
    types.add(definition);
  }
}
