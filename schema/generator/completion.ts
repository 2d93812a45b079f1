import type { Resolved } from './resolve.ts';

/** The text of the bash completion for clients/shell/viommu-ask: a socket, a command, and a form for its arguments. */
export function emitCompletion(resolved: Resolved): string {
  const { commands, types } = resolved.schema;
  const names = Object.keys(commands);
  const forms = Object.entries(commands)
    .map(([name, command]) => {
      const shape = command.arguments === undefined ? undefined : types[command.arguments];
      const members = shape?.kind === 'object' ? shape.members.filter((member) => !member.optional) : [];
      const text = members.map((member) => `"${member.name}": `).join(', ');
      return members.length === 0 ? '' : `    ${name}) form='{${text}}' ;;\n`;
    })
    .join('');
  return `# Generated from schema/ by npm run generate. Do not edit.
# Completion for bash: source this file, then type "viommu-ask SOCKET " and press Tab.
# After the command, Tab on an empty word gives a form with the arguments that it requires.

_viommu_commands='
${names.map((name) => `  ${name}\n`).join('')}'

_viommu_ask() {
  local word=\${COMP_WORDS[COMP_CWORD]} form=
  case $COMP_CWORD in
  1) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
  2) mapfile -t COMPREPLY < <(compgen -W "$_viommu_commands" -- "$word") ;;
  3)
    case \${COMP_WORDS[2]} in
${forms}    esac
    COMPREPLY=()
    [ -n "$word" ] || [ -z "$form" ] || COMPREPLY=("'$form'")
    ;;
  esac
}

complete -F _viommu_ask viommu-ask
`;
}
