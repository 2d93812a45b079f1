/** Memory regions and flat views. There is no processor: its index is always -1. */
export const memoryPoints = {
  memory_region_ops_read: "cpu %d mr %p addr 0x%lx value 0x%lx size %u name '%s'",
  memory_region_ops_write: "cpu %d mr %p addr 0x%lx value 0x%lx size %u name '%s'",
  flatview_new: '%p (root %p)',
  flatview_destroy: '%p (root %p)',
} as const;
