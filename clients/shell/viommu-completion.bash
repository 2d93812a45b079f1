# Generated from schema/ by npm run generate. Do not edit.
# Completion for the shell clients: source this file, then type "viommu-qmp" and press Tab.
# The first word is a command, every further one is NAME=VALUE.

_viommu_commands='qmp_capabilities
query-version
query-commands
query-qmp-schema
query-clients
human-monitor-command
query-status
query-name
query-uuid
query-target
query-kvm
query-memory-size-summary
stop
cont
system_reset
system_powerdown
quit
migrate-recover
migrate-pause
yank
query-yank
qom-list
qom-get
qom-set
qom-list-types
qom-list-properties
object-add
object-del
device-list-properties
device_add
device_del
query-address-spaces
query-flat-view
memory-read
memory-write
iommu-bind-pasid-table
iommu-unbind-pasid-table
iommu-flush-iotlb
flush-iotlb
iommu-flush-pasid-cache
iommu-set-bypass
iommu-translate
query-iommus
query-iotlb
query-iommu-notifiers
query-vfio
query-host-iommu
dma-read
dma-write'

_viommu_complete() {
  local current=${COMP_WORDS[COMP_CWORD]} words
  compopt +o nospace 2>/dev/null
  if [ "$COMP_CWORD" -eq 1 ]; then
    mapfile -t COMPREPLY < <(compgen -W "$_viommu_commands" -- "$current")
    return
  fi
  case ${COMP_WORDS[1]} in
    qmp_capabilities) words='enable=' ;;
    human-monitor-command) words='command-line= cpu-index=' ;;
    migrate-recover) words='uri=' ;;
    yank) words='instances=' ;;
    qom-list) words='path=' ;;
    qom-get) words='path= property=' ;;
    qom-set) words='path= property= value=' ;;
    qom-list-types) words='implements= abstract=' ;;
    qom-list-properties) words='typename=' ;;
    object-add) words='qom-type= id=' ;;
    object-del) words='id=' ;;
    device-list-properties) words='typename=' ;;
    device_add) words='driver= bus= id=' ;;
    device_del) words='id=' ;;
    query-flat-view) words='address-space=' ;;
    memory-read) words='address= size= address-space= encoding=' ;;
    memory-write) words='address= data= address-space= encoding=' ;;
    iommu-bind-pasid-table) words='device= address= size= format=' ;;
    iommu-unbind-pasid-table) words='device=' ;;
    iommu-flush-iotlb) words='device= granularity= domain-id= pasid= address= size= leaf-only=' ;;
    flush-iotlb) words='device= granularity= domain-id= pasid= address= size= leaf-only=' ;;
    iommu-flush-pasid-cache) words='device= granularity= domain-id= pasid=' ;;
    iommu-set-bypass) words='device= mode=' ;;
    iommu-translate) words='device= address= access= pasid= via=' ;;
    query-iotlb) words='side= device= start= limit=' ;;
    dma-read) words='device= address= size= pasid= encoding= wait=' ;;
    dma-write) words='device= address= data= pasid= encoding= wait=' ;;
    *) words='' ;;
  esac
  compopt -o nospace 2>/dev/null
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _viommu_complete viommu-qmp viommu-qmp.sh
