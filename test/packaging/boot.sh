#!/bin/sh
# boot.sh <folder>...: boots a copy of this Debian machine in namespaces that the caller
# has made, with a disk in memory over this one's and no network but loopback. The folders
# are shared, to be read. It runs until it is killed, and leaves nothing.
set -e

mount --make-rprivate /
# A layer must not lie in another one (overlayfs): so /mnt, which is left out.
mount -t tmpfs -o mode=755 tmpfs /mnt
cd /mnt
mkdir upper work root
mount -t overlay overlay -o "lowerdir=/,upperdir=upper,workdir=work" root
cd root
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs home
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
	touch "dev/$device"
	mount --bind "/dev/$device" "dev/$device"
done
mkdir dev/shm dev/pts dev/net
mknod -m 666 dev/net/tun c 10 200
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
for folder; do
	mkdir -p "./$folder"
	mount --bind "$folder" "./$folder"
	# The copy's systemd empties /tmp, where one of them may lie.
	mount -o remount,bind,ro "./$folder"
done
mount -t proc proc proc
# The kernel is shared: its variables stay as they are, but for those of the network.
mount --bind proc/sys proc/sys
mount --bind proc/sys/net proc/sys/net
mount -o remount,bind,ro proc/sys
# Containers without root may mount one only where somebody sees all of one.
mkdir dev/proc
mount -t proc proc dev/proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup

pivot_root . mnt
cd /
umount -l /mnt
mount --make-rshared /
ip link set lo up
# Packages may start services here.
rm -f /etc/fstab /usr/sbin/policy-rc.d
# Neither other services nor a wait for a network.
rm -rf /etc/systemd/system/*.wants
ln -sf /dev/null /etc/systemd/system/network-online.target

forbidden=$(printf ',-%s' sys_time sys_module sys_rawio sys_boot syslog)
export container=test
exec setpriv --bounding-set="${forbidden#,}" /lib/systemd/systemd --unit=sysinit.target --log-target=console --show-status=false
