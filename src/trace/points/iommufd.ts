/**
 * iommufd, in QEMU since 8.2 and 9.0. There are no file descriptors: they are -1. Ids are those of host page tables; a
 * return value is 0, or -1 where the host refused.
 */
export const iommufdPoints = {
  iommufd_backend_alloc_ioas: ' iommufd=%d ioas=%d',
  iommufd_backend_map_dma: ' iommufd=%d ioas=%d iova=0x%lx size=0x%lx addr=%p readonly=%d (%d)',
  iommufd_backend_unmap_dma: ' iommufd=%d ioas=%d iova=0x%lx size=0x%lx (%d)',
  iommufd_backend_alloc_hwpt:
    ' iommufd=%d dev_id=%u pt_id=%u flags=0x%x hwpt_type=%u len=%u data_ptr=0x%lx out_hwpt=%u (%d)',
  iommufd_backend_free_id: ' iommufd=%d id=%d (%d)',
  iommufd_cdev_attach_ioas_hwpt: ' [iommufd=%d] Successfully attached device %s (%d) to id=%d',
  iommufd_cdev_detach_ioas_hwpt: ' [iommufd=%d] Successfully detached %s',
} as const;
