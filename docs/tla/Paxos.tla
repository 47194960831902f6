------------------------------- MODULE Paxos -------------------------------
(* Single-decree Paxos: what "chosen" means, and the four actions that keep *)
(* it to one value. After Lamport, "Paxos Made Simple"; in our own words.   *)
EXTENDS Integers, FiniteSets

CONSTANTS Acceptor, Value, Ballot

Quorum == {Q \in SUBSET Acceptor : 2 * Cardinality(Q) > Cardinality(Acceptor)}
None == "none"

VARIABLES seen,   \* acceptor -> the highest ballot it has answered
          voteIn, \* acceptor -> the ballot of its last vote
          voteFor,\* acceptor -> the value of its last vote
          sent    \* every message ever sent; none is taken back
vars == <<seen, voteIn, voteFor, sent>>

Init == /\ seen = [a \in Acceptor |-> -1]
        /\ voteIn = [a \in Acceptor |-> -1]
        /\ voteFor = [a \in Acceptor |-> None]
        /\ sent = {}

Say(m) == sent' = sent \cup {m}

Phase1a(b) == /\ Say([phase |-> "1a", ballot |-> b])
              /\ UNCHANGED <<seen, voteIn, voteFor>>

Phase1b(a) == \E m \in sent :
  /\ m.phase = "1a" /\ m.ballot > seen[a]
  /\ seen' = [seen EXCEPT ![a] = m.ballot]
  /\ Say([phase |-> "1b", from |-> a, ballot |-> m.ballot,
          voteIn |-> voteIn[a], voteFor |-> voteFor[a]])
  /\ UNCHANGED <<voteIn, voteFor>>

\* P2c: some quorum has promised, and v is the value of the highest vote that it shows.
Free(b, v) == \E Q \in Quorum :
  LET shown == {m \in sent : m.phase = "1b" /\ m.ballot = b /\ m.from \in Q}
      votes == {m \in shown : m.voteIn >= 0}
  IN /\ \A a \in Q : \E m \in shown : m.from = a
     /\ \/ votes = {}
        \/ \E m \in votes : m.voteFor = v /\ \A n \in votes : m.voteIn >= n.voteIn

Phase2a(b, v) == /\ ~ \E m \in sent : m.phase = "2a" /\ m.ballot = b
                 /\ Free(b, v)
                 /\ Say([phase |-> "2a", ballot |-> b, value |-> v])
                 /\ UNCHANGED <<seen, voteIn, voteFor>>

Phase2b(a) == \E m \in sent :
  /\ m.phase = "2a" /\ m.ballot >= seen[a]
  /\ seen' = [seen EXCEPT ![a] = m.ballot]
  /\ voteIn' = [voteIn EXCEPT ![a] = m.ballot]
  /\ voteFor' = [voteFor EXCEPT ![a] = m.value]
  /\ Say([phase |-> "2b", from |-> a, ballot |-> m.ballot, value |-> m.value])

Next == \/ \E b \in Ballot : Phase1a(b) \/ \E v \in Value : Phase2a(b, v)
        \/ \E a \in Acceptor : Phase1b(a) \/ Phase2b(a)

Spec == Init /\ [][Next]_vars

Chosen == {v \in Value : \E b \in Ballot : \E Q \in Quorum : \A a \in Q :
             [phase |-> "2b", from |-> a, ballot |-> b, value |-> v] \in sent}
Agreement == Cardinality(Chosen) <= 1
=============================================================================
