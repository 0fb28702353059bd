#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# fast.pl HOST PORT LABEL: the whole API of Cache::Memcached::Fast.

use strict;
use warnings;
use Cache::Memcached::Fast;

my ($host, $port, $label) = @ARGV;
my $failed = 0;

sub flat
{
	my ($v) = @_;

	return 'undef' if !defined $v;
	return '[' . join(', ', map { flat($_) } @$v) . ']' if ref $v eq 'ARRAY';
	return '{' . join(', ', map { "$_: " . flat($v->{$_}) } sort keys %$v) . '}' if ref $v eq 'HASH';
	return $v eq '' ? "''" : $v;
}

sub is
{
	my ($name, $got, $want) = @_;

	($got, $want) = (flat($got), flat($want));
	if ($got eq $want) {
		print "ok $label: $name\n";
	} else {
		printf "not ok %s: %s - got %.100s, not %.100s\n", $label, $name, $got, $want;
		$failed++;
	}
}

sub client
{
	return Cache::Memcached::Fast->new({
		servers => [{ address => "$host:$port" }], namespace => 'fast:',
		connect_timeout => 20, io_timeout => 60, @_ });
}

$| = 1;
my $c = client();
is('server_versions', scalar(keys %{$c->server_versions}), 1);
is('flush_all', [values %{$c->flush_all}], [1]);
is('set', $c->set('a', 'x' x 3000), 1);
is('get', scalar($c->get('a')), 'x' x 3000);
is('get of nothing', scalar($c->get('no')), undef);
is('set with an expiry', [$c->set('e', 1, 1000), scalar($c->get('e'))], [1, 1]);
is('set that is expired', [$c->set('e', 1, -1), scalar($c->get('e'))], [1, undef]);
is('set of a reference', [$c->set('r', { l => [1, 2], t => 'u' }), scalar($c->get('r'))],
   [1, { l => [1, 2], t => 'u' }]);
is('set_multi', [$c->set_multi(map { ["m$_", "v$_"] } 1 .. 50)], [(1) x 50]);
is('get_multi', $c->get_multi(map { "m$_" } 41 .. 60), { map { ("m$_" => "v$_") } 41 .. 50 });
my $g = $c->gets('m1');
is('gets', $g->[1], 'v1');
is('cas', [$c->cas('m1', $g->[0], 'w'), $c->cas('m1', $g->[0], 'z'), scalar($c->get('m1'))], [1, '', 'w']);
$g = $c->gets_multi('m2', 'm3', 'no');
is('gets_multi', { map { $_ => $g->{$_}[1] } keys %$g }, { m2 => 'v2', m3 => 'v3' });
is('cas_multi', [$c->cas_multi(['m2', $g->{m2}[0], 'y'], ['m3', $g->{m3}[0] + 1e9, 'y'])], [1, '']);
is('add', [$c->add('a', 1), $c->add('new', 1)], ['', 1]);
is('add_multi', [$c->add_multi(['new', 1], ['new2', 1])], ['', 1]);
is('replace', [$c->replace('new', 2), $c->replace('no', 2)], [1, '']);
is('replace_multi', [$c->replace_multi(['new', 3], ['no', 2])], [1, '']);
is('append', [$c->append('new', '>'), $c->append('no', 'x'), scalar($c->get('new'))], [1, '', '3>']);
is('append_multi', [$c->append_multi(['new', '>'], ['no', 'x'])], [1, '']);
is('prepend', [$c->prepend('new', '<'), $c->prepend('no', 'x'), scalar($c->get('new'))], [1, '', '<3>>']);
is('prepend_multi', [$c->prepend_multi(['new', '<'], ['no', 'x'])], [1, '']);
is('incr', [$c->set('n', 40), $c->incr('n'), $c->incr('n', 9), $c->incr('no')], [1, 41, 50, '']);
is('incr_multi', [$c->incr_multi('n', ['n', 4], 'no')], [51, 55, '']);
is('decr', [$c->decr('n'), $c->decr('n', 100), $c->decr('no')], [54, '0E0', '']);
is('decr_multi', [$c->set('n', 9), $c->decr_multi('n', ['n', 4], 'no')], [1, 8, 4, '']);
is('incr of text', $c->incr('a'), undef);
is('touch', [$c->touch('n', 1000), $c->touch('no', 1000)], [1, '']);
is('touch_multi', [$c->touch_multi(['n', 1000], ['no', 5])], [1, '']);
is('gat', [$c->gat(1000, 'n'), scalar($c->gat(10, 'no'))], [4, undef]);
is('gat_multi', $c->gat_multi(1000, 'm4', 'm5', 'no'), { m4 => 'v4', m5 => 'v5' });
$g = $c->gats(1000, 'm4');
is('gats', [$g->[1], $c->cas('m4', $g->[0], 'w')], ['v4', 1]);
$g = $c->gats_multi(1000, 'm4', 'm5');
is('gats_multi', { map { $_ => $g->{$_}[1] } keys %$g }, { m4 => 'w', m5 => 'v5' });
is('touch to the past', [$c->touch('m5', -1), scalar($c->get('m5'))], [1, undef]);
is('delete', [$c->delete('n'), $c->delete('n'), scalar($c->get('n'))], [1, '', undef]);
is('delete_multi', [$c->delete_multi('m6', 'm7', 'm6')], [1, 1, '']);
is('too large', [scalar(client(max_size => 4 << 20)->set('big', 'x' x (2 << 20))), scalar($c->get('big'))],
   [undef, undef]);
is('compressed', [client(compress_threshold => 1000)->set('z', 'abc' x 30000), scalar($c->get('z'))],
   [1, 'abc' x 30000]);
my $n = client(nowait => 1);
$n->set("q$_", $_) for 1 .. 300;
$n->incr("q$_") for 1 .. 300;
$n->delete('q7');
$n->nowait_push;
is('nowait', $n->get_multi('q1', 'q7', 'q300'), { q1 => 2, q300 => 301 });
$c->disconnect_all;
is('after disconnect_all it connects again', scalar($c->get('new2')), 1);
is('namespace', [$c->namespace('other:'), scalar($c->get('a'))], ['fast:', undef]);
exit($failed ? 1 : 0);
