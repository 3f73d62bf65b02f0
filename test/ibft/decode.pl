#!/usr/bin/perl
# Decodes iSCSI Boot Firmware Tables from the published layout alone: one table in hexadecimal a line of standard
# input, its fields as "path=value" lines and an empty line out. Shares nothing with the code under test.
use strict;
use warnings;

while (my $line = <STDIN>) {
    chomp $line;
    decode(pack('H*', $line));
    print "\n";
}

sub decode {
    my ($t) = @_;
    my ($sig, $len, $rev, $sum, $oem, $oemtab) = unpack('a4 V C C Z6 Z8', $t);
    print "signature=$sig\nlength=$len\nrevision=$rev\nchecksum=$sum\noemId=$oem\noemTableId=$oemtab\n";
    print 'sum=', unpack('%8C*', substr($t, 0, $len)), "\n";
    header($t, 48, 'control');
    my @words = unpack('v*', substr($t, 54, unpack('v', substr($t, 50, 2)) - 6));
    print "control.extensions=$words[0]\n";
    initiator($t, $words[1]) if $words[1];
    my ($nic, $target) = (0, 0);
    for (my $i = 2; $i + 1 < @words; $i += 2) {
        nic($t, $words[$i], 'nic' . $nic++) if $words[$i];
        target($t, $words[$i + 1], 'target' . $target++) if $words[$i + 1];
    }
}

sub header {
    my ($t, $at, $name) = @_;
    my ($id, $version, $length, $index, $flags) = unpack('C C v C C', substr($t, $at, 6));
    print "$name.version=$version\n$name.length=$length\n$name.index=$index\n$name.flags=$flags\n";
    return $id;
}

sub initiator {
    my ($t, $at) = @_;
    die "id\n" if header($t, $at, 'initiator') != 2;
    my @servers = qw(isns slp radius1 radius2);
    print "initiator.$servers[$_]=", ip(substr($t, $at + 6 + 16 * $_, 16)), "\n" for 0 .. 3;
    print 'initiator.name=', text($t, $at + 70), "\n";
}

sub nic {
    my ($t, $at, $name) = @_;
    die "id\n" if header($t, $at, $name) != 3;
    my ($ip, $prefix, $origin, $gateway, $dns1, $dns2, $dhcp, $vlan, $mac, $bdf) =
        unpack('a16 C C a16 a16 a16 a16 v a6 v', substr($t, $at + 6, 92));
    print "$name.ip=", ip($ip), "\n$name.prefix=$prefix\n$name.origin=$origin\n$name.gateway=", ip($gateway), "\n";
    print "$name.dns1=", ip($dns1), "\n$name.dns2=", ip($dns2), "\n$name.dhcp=", ip($dhcp), "\n$name.vlan=$vlan\n";
    print "$name.mac=", join(':', map { sprintf '%02x', $_ } unpack('C6', $mac)), "\n";
    printf "%s.pci=%02x:%02x.%d\n", $name, $bdf >> 8, ($bdf >> 3) & 31, $bdf & 7;
    print "$name.hostname=", text($t, $at + 98), "\n";
}

sub target {
    my ($t, $at, $name) = @_;
    die "id\n" if header($t, $at, $name) != 4;
    my ($ip, $port, $lun, $chap, $nic) = unpack('a16 v a8 C C', substr($t, $at + 6, 28));
    print "$name.ip=", ip($ip), "\n$name.port=$port\n$name.lun=", unpack('H16', $lun), "\n";
    print "$name.chapType=$chap\n$name.nic=$nic\n";
    my @strings = qw(name chapName chapSecret reverseChapName reverseChapSecret);
    print "$name.$strings[$_]=", text($t, $at + 34 + 4 * $_), "\n" for 0 .. 4;
}

sub text {
    my ($t, $at) = @_;
    my ($length, $offset) = unpack('v v', substr($t, $at, 4));
    return $offset ? substr($t, $offset, $length) : '-';
}

sub ip {
    my ($bytes) = @_;
    return '-' if $bytes eq "\0" x 16;
    return join('.', unpack('C4', substr($bytes, 12))) if substr($bytes, 0, 12) eq "\0" x 10 . "\xff\xff";
    return join(':', map { sprintf '%04x', $_ } unpack('n8', $bytes));
}
