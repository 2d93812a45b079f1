import type { Resolved } from './resolve.ts';

/** The text of the bash completion for clients/shell: command names, then the names of the command's arguments. */
export function emitCompletion(resolved: Resolved): string {
  const { commands, types } = resolved.schema;
  const cases = Object.entries(commands)
    .map(([name, command]) => {
      const shape = command.arguments === undefined ? undefined : types[command.arguments];
      const members = shape?.kind === 'object' ? shape.members.map((member) => `${member.name}=`) : [];
      return members.length === 0 ? '' : `    ${name}) words='${members.join(' ')}' ;;\n`;
    })
    .join('');
  return `# Generated from schema/ by npm run generate. Do not edit.
# Completion for the shell clients: source this file, then type "viommu-qmp" and press Tab.
# The first word is a command, every further one is NAME=VALUE.

_viommu_commands='${Object.keys(commands).join('\n')}'

_viommu_complete() {
  local current=\${COMP_WORDS[COMP_CWORD]} words
  compopt +o nospace 2>/dev/null
  if [ "$COMP_CWORD" -eq 1 ]; then
    mapfile -t COMPREPLY < <(compgen -W "$_viommu_commands" -- "$current")
    return
  fi
  case \${COMP_WORDS[1]} in
${cases}    *) words='' ;;
  esac
  compopt -o nospace 2>/dev/null
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _viommu_complete viommu-qmp viommu-qmp.sh
`;
}
