# Completion of reflux and refluxd for bash: the programs themselves tell what may stand where (PROGRAM complete).
# shellcheck shell=bash

# Names that bash itself knows.
_reflux_add() {
    [ "$1" = -c ] || compopt -o filenames 2>/dev/null
    mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen "$1" -- "$2")
}

_reflux() {
    local program=$1 line=${COMP_LINE:0:COMP_POINT} typed cut word
    local -a words
    # By blanks alone: readline also breaks words at '=' and ':'.
    read -ra words <<<"$line"
    [[ $line != *[[:space:]] ]] || words+=("")
    # What stands in front of the program: variables, sudo.
    while [ "${#words[@]}" -gt 0 ] && [ "${words[0]}" != "$program" ]; do
        words=("${words[@]:1}")
    done
    typed=${words[-1]}
    # Of the word only what is behind the last of these is replaced.
    cut=
    if [[ $COMP_WORDBREAKS == *=* && $typed == *=* ]]; then
        cut=${typed%"${typed##*=}"}
    fi
    if [[ $COMP_WORDBREAKS == *:* && ${typed#"$cut"} == *:* ]]; then
        cut=${typed%"${typed##*:}"}
    fi
    COMPREPLY=()
    while IFS= read -r word; do
        case $word in
            :files) _reflux_add -f "${typed#"$cut"}" ;;
            :folders) _reflux_add -d "${typed#"$cut"}" ;;
            :programs) _reflux_add -c "${typed#"$cut"}" ;;
            ?*) COMPREPLY+=("${word#"$cut"}") ;;
        esac
    done < <("${program/#\~/$HOME}" complete "${words[@]:1}" 2>/dev/null)
    # The value of a key goes on.
    if [ "${#COMPREPLY[@]}" -eq 1 ] && [[ ${COMPREPLY[0]} == *= ]]; then
        compopt -o nospace 2>/dev/null
    fi
}

complete -F _reflux reflux refluxd
