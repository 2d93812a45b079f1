# Generated from schema/ by npm run generate. Do not edit.
# Completion for bash: source this file, then type "viommu-ask SOCKET " and press Tab.
# After the command, Tab on an empty word gives a form with the arguments that it requires.

_viommu_commands='
  qmp_capabilities
  query-version
  query-commands
  query-qmp-schema
  query-clients
  set-event-filter
  batch
  human-monitor-command
  query-chardev
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
  x-exit-preconfig
  set-action
  system_wakeup
  inject-nmi
  query-current-machine
  query-acpi-ospm-status
  query-cpus-fast
  query-hotpluggable-cpus
  query-machines
  query-cpu-definitions
  query-cpu-model-expansion
  query-sev-capabilities
  query-sgx-capabilities
  query-command-line-options
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
  query-memdev
  query-iothreads
  device-list-properties
  device_add
  device_del
  query-pci
  query-address-spaces
  query-flat-view
  memory-read
  memory-write
  pmemsave
  iommu-bind-pasid-table
  iommu-unbind-pasid-table
  iommu-flush-iotlb
  flush-iotlb
  iommu-flush-pasid-cache
  iommu-flush-device-iotlb
  iommu-set-bypass
  query-iommus
  query-iommu-notifiers
  iommu-translate
  query-iotlb
  query-page-requests
  page-response
  iommu-reverse-translate
  query-iommu-mappings
  guest-iommu-enable
  guest-dma-map
  guest-dma-unmap
  guest-svm-bind
  guest-svm-unbind
  guest-virtio-iommu
  guest-hypercall
  guest-rtas
  query-tce-windows
  guest-zpci
  query-vfio
  query-vhost
  guest-vhost-start
  guest-vhost-transfer
  query-host-iommu
  dma-read
  dma-write
  trace-event-get-state
  trace-event-set-state
  query-event-log
  query-checks
  set-check
  break-add
  break-remove
  query-breaks
  fault-inject
  query-faults-injected
  fault-clear
'

_viommu_ask() {
  local word=${COMP_WORDS[COMP_CWORD]} form=
  case $COMP_CWORD in
  1) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
  2) mapfile -t COMPREPLY < <(compgen -W "$_viommu_commands" -- "$word") ;;
  3)
    case ${COMP_WORDS[2]} in
    batch) form='{"commands": }' ;;
    human-monitor-command) form='{"command-line": }' ;;
    query-cpu-model-expansion) form='{"type": , "model": }' ;;
    migrate-recover) form='{"uri": }' ;;
    yank) form='{"instances": }' ;;
    qom-list) form='{"path": }' ;;
    qom-get) form='{"path": , "property": }' ;;
    qom-set) form='{"path": , "property": , "value": }' ;;
    qom-list-properties) form='{"typename": }' ;;
    object-add) form='{"qom-type": , "id": }' ;;
    object-del) form='{"id": }' ;;
    device-list-properties) form='{"typename": }' ;;
    device_add) form='{"driver": }' ;;
    device_del) form='{"id": }' ;;
    query-flat-view) form='{"address-space": }' ;;
    memory-read) form='{"address": , "size": }' ;;
    memory-write) form='{"address": , "data": }' ;;
    pmemsave) form='{"val": , "size": , "filename": }' ;;
    iommu-bind-pasid-table) form='{"device": , "address": }' ;;
    iommu-unbind-pasid-table) form='{"device": }' ;;
    iommu-flush-iotlb) form='{"device": , "granularity": }' ;;
    flush-iotlb) form='{"device": , "granularity": }' ;;
    iommu-flush-pasid-cache) form='{"device": , "granularity": }' ;;
    iommu-flush-device-iotlb) form='{"device": }' ;;
    iommu-set-bypass) form='{"device": , "mode": }' ;;
    iommu-translate) form='{"device": , "address": }' ;;
    query-iotlb) form='{"side": }' ;;
    page-response) form='{"device": , "group": , "response": }' ;;
    iommu-reverse-translate) form='{"address": , "space": }' ;;
    query-iommu-mappings) form='{"device": }' ;;
    guest-iommu-enable) form='{"mode": }' ;;
    guest-dma-map) form='{"device": , "iova": , "address": , "size": }' ;;
    guest-dma-unmap) form='{"device": , "iova": , "size": }' ;;
    guest-svm-bind) form='{"device": , "pasid": , "page-table": }' ;;
    guest-svm-unbind) form='{"device": , "pasid": }' ;;
    guest-virtio-iommu) form='{"request": }' ;;
    guest-hypercall) form='{"arguments": }' ;;
    guest-rtas) form='{"arguments": , "returns": , "buffer": }' ;;
    guest-zpci) form='{"instruction": }' ;;
    guest-vhost-start) form='{"device": , "address": }' ;;
    guest-vhost-transfer) form='{"device": }' ;;
    dma-read) form='{"device": , "address": , "size": }' ;;
    dma-write) form='{"device": , "address": , "data": }' ;;
    trace-event-get-state) form='{"name": }' ;;
    trace-event-set-state) form='{"name": , "enable": }' ;;
    set-check) form='{"name": }' ;;
    break-add) form='{"event": }' ;;
    break-remove) form='{"id": }' ;;
    fault-inject) form='{"point": , "kind": }' ;;
    esac
    COMPREPLY=()
    [ -n "$word" ] || [ -z "$form" ] || COMPREPLY=("'$form'")
    ;;
  esac
}

complete -F _viommu_ask viommu-ask
