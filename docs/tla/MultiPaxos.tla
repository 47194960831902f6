----------------------------- MODULE MultiPaxos -----------------------------
(* The protocol of paxos_core: a log, one phase 1 for all open slots, told in  *)
(* pages; votes forgotten below the watermark; records that must be on the     *)
(* disk before what rests on them is said; crashes that lose the rest;         *)
(* catching up from the log of others, or from a snapshot.                     *)
(*                                                                             *)
(* Who stands, and when, is left open: that is liveness. The watermark that an *)
(* Accept carries is here a Beat of its own, which may be lost by itself.      *)
(* What a node may say at any time from some moment on, it says at once: a     *)
(* message obliges nobody to receive it, now or ever.                          *)
EXTENDS Integers, Sequences, FiniteSets, Votes

CONSTANTS Node,        \* the members: 1 .. n
          BallotMax,   \* ballots are 1 .. BallotMax
          SlotMax,     \* slots are 0 .. SlotMax
          PageVotes,   \* votes in one page of a promise
          WritesMax,   \* unfinished writes of a node; 0: every write ends at once
          CrashesMax,
          CompactionsMax,
          Broken       \* a rule that is taken out, to see that TLC finds it; "" for none

Ballot == 1 .. BallotMax
Slot == 0 .. SlotMax
NoMore == SlotMax + 1
Quorum == {Q \in SUBSET Node : 2 * Cardinality(Q) > Cardinality(Node)}
Owner(b) == ((b - 1) % Cardinality(Node)) + 1
Max(a, b) == IF a > b THEN a ELSE b
From(f, first) == [t \in {s \in DOMAIN f : s >= first} |-> f[t]]

VARIABLES acceptor,  \* promised, votes
          log,       \* the values of slots 0, 1, ..., as the application has applied them
          first,     \* the first slot whose value can still be served or compared
          proposer,  \* phase, ballot, next, pages, got, shown, top
          disk,      \* what a restart finds: promised, votes, log, first
          writes,    \* records on their way to the disk, and what waits for each
          sent,      \* every message that ever left; none is taken back
          crashes, compactions
memory == <<acceptor, log, first, proposer>>
vars == <<memory, disk, writes, sent, crashes, compactions>>

Mark(n) == Len(log[n])
Idle == [phase |-> "idle", ballot |-> 0, next |-> 0, pages |-> [n \in Node |-> 0],
         got |-> {}, shown |-> NoVotes, top |-> 0]
Blank == [promised |-> 0, votes |-> NoVotes, log |-> <<>>, first |-> 0]

Init == /\ acceptor = [n \in Node |-> [promised |-> 0, votes |-> NoVotes]]
        /\ log = [n \in Node |-> <<>>]
        /\ first = [n \in Node |-> 0]
        /\ proposer = [n \in Node |-> Idle]
        /\ disk = [n \in Node |-> Blank]
        /\ writes = [n \in Node |-> <<>>]
        /\ sent = {}
        /\ crashes = 0 /\ compactions = 0

-----------------------------------------------------------------------------
(* The gate. A record joins the queue of writes; a gated message waits for the *)
(* last write in it, or leaves at once if there is none.                       *)

\* What the disk will say once every write is finished.
Recorded(n) == IF writes[n] = <<>> THEN disk[n] ELSE writes[n][Len(writes[n])].image

\* `gated` waits for this record, `free` for nothing.
RecordAndSay(n, image, gated, free) ==
  IF WritesMax = 0
  THEN /\ disk' = [disk EXCEPT ![n] = image]
       /\ sent' = sent \cup gated \cup free
       /\ UNCHANGED writes
  ELSE LET early == IF Broken = "nothing waits for the disk" THEN gated ELSE {}
       IN /\ Len(writes[n]) < WritesMax
          /\ writes' = [writes EXCEPT ![n] =
                          Append(@, [image |-> image, messages |-> gated \ early])]
          /\ sent' = sent \cup early \cup free
          /\ UNCHANGED disk
Record(n, image, messages) == RecordAndSay(n, image, messages, {})

SayGated(n, messages) ==
  /\ UNCHANGED disk
  /\ IF writes[n] = <<>>
     THEN sent' = sent \cup messages /\ UNCHANGED writes
     ELSE /\ writes' = [writes EXCEPT ![n][Len(writes[n])].messages = @ \cup messages]
          /\ UNCHANGED sent

Written(n) ==
  /\ writes[n] # <<>>
  /\ disk' = [disk EXCEPT ![n] = Head(writes[n]).image]
  /\ sent' = sent \cup Head(writes[n]).messages
  /\ writes' = [writes EXCEPT ![n] = Tail(@)]
  /\ UNCHANGED <<memory, crashes, compactions>>

-----------------------------------------------------------------------------
(* Phase 1 *)

Page(n, votes, b, from) ==
  LET open == {s \in DOMAIN votes : s >= Max(from, Mark(n))}
      on == {s \in open : Cardinality({t \in open : t < s}) < PageVotes}
      later == open \ on
      next == IF later = {} THEN NoMore ELSE CHOOSE s \in later : \A t \in later : s <= t
  IN [kind |-> "Promise", ballot |-> b, by |-> n, from |-> from, next |-> next,
      mark |-> Mark(n), votes |-> [s \in on |-> votes[s]]]

Prepare(b, from) == [kind |-> "Prepare", ballot |-> b, from |-> from]

Stand(n, b) ==
  /\ Owner(b) = n /\ b > acceptor[n].promised
  /\ acceptor' = [acceptor EXCEPT ![n].promised = b]
  /\ proposer' = [proposer EXCEPT ![n] =
       [Idle EXCEPT !.phase = "prepare", !.ballot = b, !.pages = [m \in Node |-> Mark(n)]]]
  /\ Record(n, [Recorded(n) EXCEPT !.promised = b],
            {Prepare(b, Mark(n)), Page(n, acceptor[n].votes, b, Mark(n))})
  /\ UNCHANGED <<log, first, crashes, compactions>>

ReceivePrepare(n, m) ==
  /\ m.kind = "Prepare" /\ Owner(m.ballot) # n
  /\ m.ballot >= acceptor[n].promised \/ Broken = "promises do not bind"
  /\ LET answer == {Page(n, acceptor[n].votes, m.ballot, m.from)}
     IN IF m.ballot = acceptor[n].promised
        THEN SayGated(n, answer) /\ UNCHANGED <<acceptor, proposer>>
        ELSE /\ acceptor' = [acceptor EXCEPT ![n].promised = m.ballot]
             /\ proposer' = [proposer EXCEPT ![n] = Idle]
             /\ Record(n, [Recorded(n) EXCEPT !.promised = m.ballot], answer)
  /\ UNCHANGED <<log, first, crashes, compactions>>

\* P2c, slot by slot: of the votes that a quorum shows, the one with the highest ballot.
Merge(shown, votes) ==
  [s \in DOMAIN shown \cup DOMAIN votes |->
     IF s \notin DOMAIN votes THEN shown[s]
     ELSE IF s \notin DOMAIN shown THEN votes[s]
     ELSE IF votes[s].ballot > shown[s].ballot THEN votes[s] ELSE shown[s]]

ReceivePromise(n, m) ==
  LET p == proposer[n] IN
  /\ m.kind = "Promise" /\ p.phase = "prepare" /\ m.ballot = p.ballot
  /\ m.from = p.pages[m.by] /\ m.next > m.from
  /\ LET done == m.next = NoMore \/ Broken = "only the first page is read"
         shown == IF Broken = "no revealed value is kept" THEN p.shown
                  ELSE Merge(p.shown, m.votes)
     IN /\ proposer' = [proposer EXCEPT ![n] =
             [p EXCEPT !.top = Max(@, m.mark), !.shown = shown, !.pages[m.by] = m.next,
                       !.got = IF done THEN @ \cup {m.by} ELSE @]]
        /\ IF done THEN UNCHANGED <<disk, writes, sent>>
           ELSE IF m.by = n
           THEN SayGated(n, {Page(n, acceptor[n].votes, m.ballot, m.next)})
           ELSE SayGated(n, {Prepare(m.ballot, m.next)})
  /\ UNCHANGED <<acceptor, log, first, crashes, compactions>>

-----------------------------------------------------------------------------
(* Phase 2 *)

Accept(b, s, v) == [kind |-> "Accept", ballot |-> b, slot |-> s, value |-> v]
Accepted(n, b, s) == [kind |-> "Accepted", ballot |-> b, slot |-> s, by |-> n]

\* The leader's word that every slot below the mark is chosen.
Beats(b, mark) == IF mark = 0 THEN {} ELSE {[kind |-> "Beat", ballot |-> b, mark |-> mark]}

\* Every slot that the quorum called chosen must be learnt first.
Lead(n) ==
  LET p == proposer[n]
      open == {s \in DOMAIN p.shown : s >= Mark(n)}
      end == IF open = {} THEN Mark(n) ELSE 1 + CHOOSE s \in open : \A t \in open : t <= s
  IN /\ p.phase = "prepare" /\ p.got \in Quorum
     /\ Mark(n) >= p.top \/ Broken = "leads before it has caught up"
     /\ proposer' = [proposer EXCEPT ![n] =
          [Idle EXCEPT !.phase = "lead", !.ballot = p.ballot, !.next = end]]
     /\ sent' = sent \cup Beats(p.ballot, Mark(n))
                     \cup {Accept(p.ballot, s, IF s \in open THEN p.shown[s].value ELSE Noop) :
                             s \in Mark(n) .. end - 1}
     /\ UNCHANGED <<acceptor, log, first, disk, writes, crashes, compactions>>

\* The ballot's number stands for its command: no two ballots want the same value.
Propose(n) ==
  LET p == proposer[n] IN
  /\ p.phase = "lead" /\ p.next \in Slot
  /\ sent' = sent \cup {Accept(p.ballot, p.next, p.ballot)}
  /\ proposer' = [proposer EXCEPT ![n].next = @ + 1]
  /\ UNCHANGED <<acceptor, log, first, disk, writes, crashes, compactions>>

\* Our own Accept reaches us like any other. Below the watermark there is no vote: the
\* chosen value is confirmed, another is not, and the ballot binds all the same.
ReceiveAccept(n, m) ==
  LET a == acceptor[n]
      good == m.ballot >= a.promised
      below == m.slot < Mark(n)
      known == m.slot \in DOMAIN a.votes /\ a.votes[m.slot].ballot = m.ballot
      other == below /\ (m.slot < first[n] \/ log[n][m.slot + 1] # m.value)
      answer == IF other THEN {} ELSE {Accepted(n, m.ballot, m.slot)}
      vote == Vote(m.ballot, m.value)
      deposed == m.ballot > proposer[n].ballot
  IN /\ m.kind = "Accept"
     /\ good \/ Broken = "accepts below the promise"
     /\ proposer' = IF deposed THEN [proposer EXCEPT ![n] = Idle] ELSE proposer
     /\ IF (below \/ known) /\ m.ballot <= a.promised
        THEN SayGated(n, answer) /\ UNCHANGED acceptor
        ELSE LET put(votes) == IF below THEN votes ELSE Put(votes, m.slot, vote) IN
             /\ acceptor' = [acceptor EXCEPT ![n] =
                  [promised |-> Max(@.promised, m.ballot), votes |-> put(@.votes)]]
             /\ Record(n, [Recorded(n) EXCEPT
                             !.promised = Max(@, m.ballot), !.votes = put(@)], answer)
     /\ UNCHANGED <<log, first, crashes, compactions>>

-----------------------------------------------------------------------------
(* Learning, always the next slot: what may be learnt stays where it was said. *)

\* A leader that learns another value than it proposed, or one for which it proposed
\* nothing, resigns: its watermark would vouch for votes in its ballot.
Resigns(n, values) ==
  LET p == proposer[n] IN
  /\ p.phase = "lead" /\ Broken # "a deposed leader stays"
  /\ \/ Len(values) > p.next
     \/ \E s \in Mark(n) .. Len(values) - 1 : \E m \in sent :
          /\ m.kind = "Accept" /\ m.ballot = p.ballot
          /\ m.slot = s /\ m.value # values[s + 1]

\* The votes below the watermark are forgotten, in memory; on disk with the next record of it.
Deliver(n, values) ==
  /\ log' = [log EXCEPT ![n] = values]
  /\ acceptor' = [acceptor EXCEPT ![n].votes = From(@, Len(values))]
  /\ proposer' = IF Resigns(n, values) THEN [proposer EXCEPT ![n] = Idle] ELSE proposer

\* What is chosen may be told to anybody who asks; who still leads tells its watermark to all.
Vouch(n, mark) == IF proposer'[n].phase = "lead" THEN Beats(proposer[n].ballot, mark) ELSE {}
Told(n, s, v) == {[kind |-> "Chosen", slot |-> s, value |-> v]} \cup Vouch(n, s + 1)

LearnNext(n, v) ==
  /\ Mark(n) \in Slot
  /\ Deliver(n, Append(log[n], v))
  /\ sent' = sent \cup Told(n, Mark(n), v)
  /\ UNCHANGED <<first, disk, writes, crashes, compactions>>

VotedIn(b, s) == {a \in Node : Accepted(a, b, s) \in sent}

LearnOwn(n, m) ==       \* a quorum accepted what we proposed
  /\ m.kind = "Accept" /\ Owner(m.ballot) = n /\ m.slot = Mark(n)
  /\ VotedIn(m.ballot, m.slot) \in Quorum
  /\ LearnNext(n, m.value)

LearnByBeat(n, m) ==    \* our vote is in the very ballot whose leader says: chosen
  LET s == Mark(n) votes == acceptor[n].votes IN
  /\ m.kind = "Beat" /\ m.ballot >= acceptor[n].promised /\ s < m.mark
  /\ s \in DOMAIN votes
  /\ votes[s].ballot = m.ballot \/ Broken = "a watermark vouches for any vote"
  /\ LearnNext(n, votes[s].value)

LearnChosen(n, m) ==    \* catching up: of a page of somebody's log
  /\ m.kind = "Chosen" /\ m.slot = Mark(n)
  /\ LearnNext(n, m.value)

RecordChosen(n) ==
  /\ Len(Recorded(n).log) < Mark(n)
  /\ Record(n, [Recorded(n) EXCEPT !.log = log[n], !.votes = From(@, Mark(n))], {})
  /\ UNCHANGED <<memory, crashes, compactions>>

-----------------------------------------------------------------------------
(* Snapshots. A log's values stand for the application's state; `first` says   *)
(* from where they can be had one by one.                                      *)

Checkpoint(n, values, from, beats) ==
  RecordAndSay(n, [promised |-> IF Broken = "a checkpoint leaves out the promise" THEN 0
                                ELSE acceptor[n].promised,
                   votes |-> IF Broken = "a checkpoint leaves out votes" THEN NoVotes
                             ELSE From(acceptor[n].votes, Len(values)),
                   log |-> values, first |-> from],
               {}, beats \cup {[kind |-> "Snapshot", values |-> SubSeq(values, 1, from)]})

Compact(n) ==
  /\ compactions < CompactionsMax /\ first[n] < Mark(n)
  /\ compactions' = compactions + 1
  /\ first' = [first EXCEPT ![n] = Mark(n)]
  /\ Checkpoint(n, log[n], Mark(n), {})
  /\ UNCHANGED <<acceptor, log, proposer, crashes>>

Install(n, m) ==
  /\ m.kind = "Snapshot" /\ Len(m.values) > Mark(n)
  /\ Deliver(n, m.values)
  /\ first' = [first EXCEPT ![n] = Len(m.values)]
  /\ Checkpoint(n, m.values, Len(m.values), Vouch(n, Len(m.values)))
  /\ UNCHANGED <<crashes, compactions>>

-----------------------------------------------------------------------------
\* Stop, and start from the disk. Which writes finished before is up to `Written`.
Crash(n) ==
  /\ crashes < CrashesMax /\ crashes' = crashes + 1
  /\ LET kept == IF Broken = "a restart ignores promises" THEN 0 ELSE disk[n].promised
     IN acceptor' = [acceptor EXCEPT ![n] = [promised |-> kept, votes |-> disk[n].votes]]
  /\ log' = [log EXCEPT ![n] = disk[n].log]
  /\ first' = [first EXCEPT ![n] = disk[n].first]
  /\ proposer' = [proposer EXCEPT ![n] = Idle]
  /\ writes' = [writes EXCEPT ![n] = <<>>]
  /\ UNCHANGED <<disk, sent, compactions>>

\* To give up a ballot needs no step: a proposer may do nothing more.
Receive(n) == \E m \in sent :
  \/ ReceivePrepare(n, m) \/ ReceivePromise(n, m) \/ ReceiveAccept(n, m)
  \/ LearnOwn(n, m) \/ LearnByBeat(n, m) \/ LearnChosen(n, m) \/ Install(n, m)

Next == \E n \in Node :
  \/ Receive(n) \/ Written(n) \/ Lead(n) \/ Propose(n) \/ RecordChosen(n)
  \/ Compact(n) \/ Crash(n)
  \/ \E b \in Ballot : Stand(n, b)

Spec == Init /\ [][Next]_vars

-----------------------------------------------------------------------------
(* What must hold in every state *)

Proposed(b, s) == {m \in sent : m.kind = "Accept" /\ m.ballot = b /\ m.slot = s}
ChosenIn(b, s) == IF VotedIn(b, s) \in Quorum THEN {m.value : m \in Proposed(b, s)} ELSE {}
Chosen(s) == UNION {ChosenIn(b, s) : b \in Ballot}

ChosenAt == [s \in Slot |-> Chosen(s)]

Agreement == \A s \in Slot : Cardinality(Chosen(s)) <= 1

OneValuePerBallot == \A b \in Ballot, s \in Slot : Cardinality(Proposed(b, s)) <= 1

P2b == \A b \in Ballot, s \in Slot : \A v \in ChosenIn(b, s) :
         \A m \in sent : m.kind = "Accept" /\ m.slot = s /\ m.ballot > b => m.value = v

DecidedOnlyIfChosen == LET chosen == ChosenAt IN
  \A n \in Node : \A s \in 0 .. Mark(n) - 1 : log[n][s + 1] \in chosen[s]

WatermarksAreTrue == LET chosen == ChosenAt IN
  \A m \in sent : m.kind \in {"Beat", "Promise"} => \A s \in 0 .. m.mark - 1 : chosen[s] # {}

ToldOnlyIfChosen == LET chosen == ChosenAt IN \A m \in sent :
  /\ m.kind = "Chosen" => m.value \in chosen[m.slot]
  /\ m.kind = "Snapshot" => \A s \in 1 .. Len(m.values) : m.values[s] \in chosen[s - 1]

\* Whatever was told is on the disk.
DurableBeforeSent == \A m \in sent : m.kind \in {"Promise", "Accepted"} =>
                       disk[m.by].promised >= m.ballot /\ acceptor[m.by].promised >= m.ballot

\* If all crash now, every quorum's disks still lead to what was chosen.
ChosenStays == \A s \in Slot : \A v \in Chosen(s) : \A Q \in Quorum :
  \/ \E n \in Q : s < Len(disk[n].log)
  \/ \E n \in Q : /\ s \in DOMAIN disk[n].votes /\ disk[n].votes[s].value = v
                  /\ \A o \in Q : s \in DOMAIN disk[o].votes =>
                       disk[o].votes[s].ballot <= disk[n].votes[s].ballot
=============================================================================
