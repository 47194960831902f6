----------------------------- MODULE LargeSteps -----------------------------
(* MultiPaxos in larger steps, so that TLC comes to an end. Every state that    *)
(* MultiPaxos can reach with these bounds has one here that differs in nothing  *)
(* but what can do no more harm: docs/specification.md argues it, rule by rule. *)
EXTENDS MultiPaxos

CONSTANTS Frail,  \* the members, one or none, whose writes take time, and which may crash
          Trims   \* the members that may take a snapshot
ASSUME Cardinality(Frail) <= 1

-----------------------------------------------------------------------------
(* Now or never: a write that ends before the crash may as well end at once, and *)
(* one that does not end, with all behind it, is lost. Nothing reads the disk of *)
(* who will not crash, so there it says what memory says.                        *)

MayLose(n) == n \in Frail /\ crashes < CrashesMax
Losing(n) == writes[n] # <<>>

\* A page is read once: when an acceptor says it anew, the one that nobody will read may go.
Same(m, o) == /\ m.kind = "Promise" /\ o.kind = "Promise"
              /\ m.ballot = o.ballot /\ m.by = o.by /\ m.from = o.from
Said(new) == new \cup {m \in sent : \A o \in new : ~Same(m, o)}

NowOrNever(n, image, gated, free) ==
  \/ /\ ~Losing(n)
     /\ disk' = [disk EXCEPT ![n] = image]
     /\ sent' = Said(gated \cup free)
     /\ UNCHANGED writes
  \/ /\ MayLose(n)
     /\ writes' = [writes EXCEPT ![n] = <<"lost">>]
     /\ sent' = sent \cup free \cup IF Broken = "nothing waits for the disk" THEN gated ELSE {}
     /\ UNCHANGED disk

SayUnlessLosing(n, messages) ==
  /\ sent' = IF Losing(n) THEN sent ELSE Said(messages)
  /\ UNCHANGED <<disk, writes>>

OnDisk(n) == disk[n]

LearnAndRecord(n, v) ==
  /\ Mark(n) \in Slot
  /\ LET values == Append(log[n], v) IN
     /\ Deliver(n, values)
     /\ disk' = IF MayLose(n) THEN disk
                ELSE [disk EXCEPT ![n].log = values, ![n].votes = From(@, Len(values))]
  /\ sent' = sent \cup Told(n, Mark(n), v)
  /\ UNCHANGED <<first, writes, crashes, compactions>>

-----------------------------------------------------------------------------
(* A candidate reads promises when it leads, those that it likes of what was said *)
(* by then; and it proposes for every slot at once.                               *)

Asks(b) == LET p == proposer[Owner(b)] IN p.phase = "prepare" /\ p.ballot = b

AnswerPrepare(n, m) ==
  /\ m.kind = "Prepare" /\ Owner(m.ballot) # n
  /\ m.ballot >= acceptor[n].promised \/ Broken = "promises do not bind"
  /\ LET answer == IF Asks(m.ballot) THEN {Page(n, acceptor[n].votes, m.ballot, m.from)} ELSE {}
     IN IF m.ballot = acceptor[n].promised
        THEN SayGated(n, answer) /\ UNCHANGED <<acceptor, proposer>>
        ELSE /\ acceptor' = [acceptor EXCEPT ![n].promised = m.ballot]
             /\ proposer' = [proposer EXCEPT ![n] = Idle]
             /\ Record(n, [Recorded(n) EXCEPT !.promised = m.ballot], answer)
  /\ UNCHANGED <<log, first, crashes, compactions>>

NextPage(n, m) ==  \* asked for at once by who may read the page before
  /\ m.kind = "Promise" /\ m.by = n /\ m.next # NoMore
  /\ m.ballot = acceptor[n].promised /\ Asks(m.ballot) /\ ~Losing(Owner(m.ballot))
  /\ SayGated(n, {Page(n, acceptor[n].votes, m.ballot, m.next)})
  /\ UNCHANGED <<memory, crashes, compactions>>

\* The sets of pages of `a` that may have been read: each begins where the last one ended.
RECURSIVE Readings(_, _, _)
Readings(b, a, from) ==
  {{}} \cup UNION {{{m} \cup rest : rest \in Readings(b, a, m.next)} :
     m \in {x \in sent : x.kind = "Promise" /\ x.ballot = b /\ x.by = a
                         /\ x.from = from /\ x.next > from}}

RECURSIVE ReadingsOf(_, _)
ReadingsOf(p, nodes) ==
  IF nodes = {} THEN {{}}
  ELSE LET a == CHOOSE x \in nodes : TRUE IN
       {mine \cup others : mine \in Readings(p.ballot, a, p.pages[a]),
                           others \in ReadingsOf(p, nodes \ {a})}

Revealed(pages, s) ==
  LET votes == {m.votes[s] : m \in {x \in pages : s \in DOMAIN x.votes}}
  IN IF votes = {} \/ Broken = "no revealed value is kept" THEN {}
     ELSE {CHOOSE v \in votes : \A w \in votes : w.ballot <= v.ballot}

\* What a candidate may propose after it has read a quorum's promises, slot by slot.
Proposals(n) ==
  LET b == proposer[n].ballot
      good(pages) ==
        /\ {m.by : m \in {x \in pages : \/ x.next = NoMore
                                        \/ Broken = "only the first page is read"}} \in Quorum
        /\ Broken = "leads before it has caught up" \/ \A m \in pages : m.mark <= Mark(n)
      values(pages) ==
        LET shown == [s \in Mark(n) .. SlotMax |-> Revealed(pages, s)] IN
        [s \in Mark(n) .. SlotMax |->
           IF shown[s] # {} THEN (CHOOSE v \in shown[s] : TRUE).value
           ELSE IF \E t \in s .. SlotMax : shown[t] # {} THEN Noop ELSE b]
  IN {values(pages) : pages \in {x \in ReadingsOf(proposer[n], Node) : good(x)}}

ReadAndLead(n) ==
  /\ proposer[n].phase = "prepare"
  /\ \E values \in Proposals(n) :
     LET b == proposer[n].ballot IN
     /\ proposer' = [proposer EXCEPT ![n] =
          [Idle EXCEPT !.phase = "lead", !.ballot = b, !.next = NoMore]]
     /\ sent' = sent \cup Beats(b, Mark(n))
                     \cup {Accept(b, s, values[s]) : s \in Mark(n) .. SlotMax}
  /\ UNCHANGED <<acceptor, log, first, disk, writes, crashes, compactions>>

-----------------------------------------------------------------------------
\* By kind, so that TLC's counts and its runs name them; without what would change nothing.
Of(kind) == {m \in sent : m.kind = kind}
Answered(n, m) == /\ Accepted(n, m.ballot, m.slot) \in sent
                  /\ acceptor[n].promised >= m.ballot /\ Broken = ""
HearPrepare(n) == \E m \in Of("Prepare") :
  (m.ballot # acceptor[n].promised \/ Asks(m.ballot)) /\ AnswerPrepare(n, m)
SayNextPage(n) == \E m \in Of("Promise") : NextPage(n, m)
HearAccept(n) == \E m \in Of("Accept") : ~Answered(n, m) /\ ReceiveAccept(n, m)
LearnAsLeader(n) == \E m \in Of("Accept") : LearnOwn(n, m)
LearnByWatermark(n) == \E m \in Of("Beat") : LearnByBeat(n, m)
CatchUp(n) == \E m \in Of("Chosen") : LearnChosen(n, m)
InstallSnapshot(n) == \E m \in Of("Snapshot") : Install(n, m)
RecordLate(n) == MayLose(n) /\ ~Losing(n) /\ RecordChosen(n)
Trim(n) == n \in Trims /\ Compact(n)
CrashHavingLost(n) == n \in Frail /\ Losing(n) /\ Crash(n)
CrashHavingWritten(n) == n \in Frail /\ ~Losing(n) /\ Crash(n)

LargeNext == \E n \in Node :
  \/ \E b \in Ballot : Stand(n, b)
  \/ HearPrepare(n) \/ SayNextPage(n) \/ ReadAndLead(n) \/ HearAccept(n)
  \/ LearnAsLeader(n) \/ LearnByWatermark(n) \/ CatchUp(n)
  \/ RecordLate(n) \/ Trim(n) \/ InstallSnapshot(n)
  \/ CrashHavingLost(n) \/ CrashHavingWritten(n)

LargeSpec == Init /\ [][LargeNext]_vars

\* The same from where everybody has promised the first ballot, and its owner has just taken
\* office: for a model that would be too large from the beginning.
InOffice ==
  /\ acceptor = [n \in Node |-> [promised |-> 1, votes |-> NoVotes]]
  /\ disk = [n \in Node |-> [Blank EXCEPT !.promised = 1]]
  /\ proposer = [n \in Node |->
       IF n = Owner(1) THEN [Idle EXCEPT !.phase = "lead", !.ballot = 1, !.next = NoMore] ELSE Idle]
  /\ sent = {Prepare(1, 0)} \cup {Accept(1, s, 1) : s \in Slot}
  /\ log = [n \in Node |-> <<>>] /\ first = [n \in Node |-> 0]
  /\ writes = [n \in Node |-> <<>>]
  /\ crashes = 0 /\ compactions = 0
SpecInOffice == InOffice /\ [][LargeNext]_vars

\* What can still matter of what was said: promises while their candidate reads them, the
\* highest watermark of a ballot, and of a quorum's votes only that there is one.
Matters ==
  LET chosen == {x \in Ballot \X Slot : VotedIn(x[1], x[2]) \in Quorum}
      alive(m) == CASE m.kind = "Promise" -> Asks(m.ballot)
                    [] m.kind = "Accepted" -> <<m.ballot, m.slot>> \notin chosen
                    [] m.kind = "Beat" -> ~ \E o \in sent : /\ o.kind = "Beat"
                                                           /\ o.ballot = m.ballot
                                                           /\ o.mark > m.mark
                    [] OTHER -> TRUE
  IN <<acceptor, log, first, [n \in Node |-> <<proposer[n].phase, proposer[n].ballot,
                                               proposer[n].pages[n]>>],
       [n \in Frail |-> <<disk[n], Losing(n)>>], crashes, compactions,
       chosen, {m \in sent : alive(m)}>>

\* Who owns each ballot, in place of each node in turn.
FirstOwnsAll(b) == 1
=============================================================================
