# What is installed beside the programs, and the Debian package that `cpack` makes of it (docs/packaging.md).
include_guard()
set(packaging ${CMAKE_CURRENT_LIST_DIR})
install(FILES ${packaging}/reflux.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME reflux)
install(FILES ${packaging}/reflux.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME refluxd)
install(FILES ${packaging}/_reflux DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
install(PROGRAMS ${PROJECT_SOURCE_DIR}/scripts/matrix.slurm DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)
# As they lie in the source, for README's links to them.
install(DIRECTORY ${PROJECT_SOURCE_DIR}/docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/docs
        FILES_MATCHING PATTERN "*.md" PATTERN "*.json")
install(FILES ${PROJECT_SOURCE_DIR}/README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
# As Debian's policy names and packs them.
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME copyright)
execute_process(COMMAND gzip -9nc ${packaging}/changelog OUTPUT_FILE ${PROJECT_BINARY_DIR}/changelog.Debian.gz
                COMMAND_ERROR_IS_FATAL ANY)
install(FILES ${PROJECT_BINARY_DIR}/changelog.Debian.gz DESTINATION ${CMAKE_INSTALL_DOCDIR})
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${packaging}/changelog)

# `cpack` and `cmake --install` take what is built; tests are no part of it (scripts/package builds what is).
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME reflux)
set(CPACK_PACKAGE_CONTACT "The reflux developers <developers@reflux.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "tests whether a storage daemon deadlocks in memory reclaim")
set(CPACK_PACKAGE_DESCRIPTION
    "A user-space storage daemon under a filesystem allocates memory when it
writes; the allocation may enter reclaim, reclaim may wait for the
filesystem above, and that one for the daemon. reflux builds such stacks,
presses on them, judges from evidence whether they deadlock on this kernel
or another one (in a virtual machine), and tells which mitigation stops it.
refluxd is the daemon: an emulated zoned disk by FUSE, TCMU or ublk.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGE_DIRECTORY ${PROJECT_BINARY_DIR}/package)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# What the scenarios on this machine with ext4 run; shlibdeps adds the libraries.
set(CPACK_DEBIAN_PACKAGE_DEPENDS "e2fsprogs, fuse3, kmod")
# Virtual machines with Debian's kernels.
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS
    "busybox-static, debian-archive-keyring, qemu-system-x86, xz-utils")
# Other filesystems, foreign daemons, the prototype kernel module, pictures of wait graphs.
set(CPACK_DEBIAN_PACKAGE_SUGGESTS
    "btrfs-progs, f2fs-tools, gcc, graphviz, libnbd-bin, make, nbd-client, nbdkit, tcmu-runner, xfsprogs")
include(CPack)
