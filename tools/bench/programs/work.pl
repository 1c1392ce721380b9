# Text work as scripts do it: words counted in hashes, records split and
# joined, arrays of arrays sorted, regular expressions. Prints a checksum.
# Argument: how many rounds.
use strict;
use warnings;

my $rounds = shift;
my $checksum = 0;
for my $round (1 .. $rounds) {
    my $seed = $round;
    my @lines;
    for (1 .. 4000) {
        $seed = ($seed * 1103515245 + 12345) % 2147483648;
        push @lines, join(';', $seed % 977, "name" . $seed % 1231,
                          'x' x ($seed % 50));
    }
    my (%count, @records);
    for my $line (@lines) {
        my @fields = split /;/, $line, -1;
        $count{$fields[1]}++;
        push @records, {id => $fields[0], name => $fields[1],
                        tail => [split //, substr($fields[2], 0, 8)]};
    }
    my @sorted = sort { $a->{id} <=> $b->{id} || $a->{name} cmp $b->{name} }
      @records;
    (my $text = join ' ', map { $_->{name} } @sorted) =~ s/name(\d)/<$1>/g;
    $checksum = ($checksum + length($text) + keys(%count)) % 1000000007;
}
print "$checksum\n";
