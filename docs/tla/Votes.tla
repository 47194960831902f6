-------------------------------- MODULE Votes --------------------------------
(* What an acceptor has voted for: a function from slots to votes. *)
EXTENDS Integers
Noop == 0
Vote(b, v) == [ballot |-> b, value |-> v]
NoVotes == [s \in {} |-> Vote(0, Noop)]
Put(f, s, x) == [t \in DOMAIN f \cup {s} |-> IF t = s THEN x ELSE f[t]]
=============================================================================
