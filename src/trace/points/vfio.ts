/** VFIO by containers and groups. */
export const vfioPoints = {
  vfio_realize: ' (%s) group %d',
  vfio_pci_reset: ' (%s)',
  vfio_listener_region_add_skip: 'SKIPPING region_add 0x%lx - 0x%lx',
  vfio_listener_region_add_iommu: 'region_add [iommu] 0x%lx - 0x%lx',
  vfio_listener_region_add_ram: 'region_add [ram] 0x%lx - 0x%lx [%p]',
  vfio_listener_region_del_skip: 'SKIPPING region_del 0x%lx - 0x%lx',
  vfio_listener_region_del: 'region_del 0x%lx - 0x%lx',
  vfio_iommu_map_notify: 'iommu %s @ 0x%lx - 0x%lx',
} as const;
