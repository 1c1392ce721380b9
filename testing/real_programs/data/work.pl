# The program that perl_test.py runs on libc and on memalloc.so.
#
# Role: hashes of arrays, strings grown and cut, regular expressions with
# captures, sorting, closures, objects with destructors, pack, forked children
# that answer through pipes.
# Invariants: prints digests that are functions of this file alone; children
# answer in a fixed order and end by exit, so each leaves its line.
use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use Storable qw(dclone freeze thaw);

$| = 1;
my $state = 12345;

sub random {
  my ($limit) = @_;
  $state = ($state * 1103515245 + 12345) % 2147483648;
  return int($state / 65536) % $limit;
}

sub digest { return substr(sha256_hex(join("\n", @_)), 0, 24); }

my %table;
for my $i (1 .. 60000) {
  push @{ $table{ "key " . random(9000) } },
    { id => $i, text => "x" x random(90) };
}
delete $table{"key $_"} for map { $_ * 3 } 1 .. 2500;
my @sorted = sort { @{ $table{$b} } <=> @{ $table{$a} } || $a cmp $b }
  keys %table;
print "table ", scalar(@sorted), " ", digest(@sorted), "\n";
my $copy = dclone(\%table);
my $again = thaw(freeze($copy));
print "copies ", digest(map { scalar @{ $again->{$_} } } @sorted), "\n";

my $text = "";
$text .= "word" . random(5000) . (random(9) ? " " : ",\n") for 1 .. 120000;
my $count = () = $text =~ /\bword(\d)(\d*)\1\b/g;
(my $changed = $text) =~ s/word(\d+)/"<" . $1 * 3 . ">"/ge;
my %seen;
$seen{$_}++ for split /[ ,\n]+/, $text;
print "text ", length($text), " $count ", digest($changed), " ",
  scalar(keys %seen), "\n";
substr($text, random(length($text) / 2), 40, "-" x random(99)) for 1 .. 3000;
print "cut ", length($text), " ", digest($text), "\n";

my @closures = map { my $n = $_; sub { return $n += $_[0] } } 1 .. 20000;
my $sum = 0;
$sum += $_->(2) for @closures;
print "closures $sum\n";

package Node {
  our $destroyed = 0;
  sub new { my ($class, %with) = @_; return bless {%with}, $class }
  sub DESTROY { $destroyed++ }
}

sub tree {
  my ($depth) = @_;
  return if !$depth;
  return Node->new(left => tree($depth - 1), right => tree($depth - 1));
}
{ my $root = tree(14); }
print "destroyed $Node::destroyed\n";

my $packed = join "", map { pack "NnCa*", $_, $_ % 65536, $_ % 256, "p$_;" }
  1 .. 40000;
print "packed ", digest($packed), "\n";

for my $child (1 .. 4) {
  my $pid = open(my $pipe, "-|") // die "fork: $!";
  if (!$pid) {
    my @mine = map { "$child " . $_ x 3 } 1 .. 20000;
    print digest(@mine, sort keys %table), "\n";
    exit 0;
  }
  print "child $child says ", <$pipe>;
  close($pipe) or die "child $child: $?";
}
print "done\n";
