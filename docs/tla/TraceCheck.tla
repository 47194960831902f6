----------------------------- MODULE TraceCheck -----------------------------
(* Is a run of the implementation a run of MultiPaxos? Each event of the trace  *)
(* is what one node did with one input: what it said, and how its acceptor, its *)
(* log and its disk were afterwards. It may take several steps of MultiPaxos by *)
(* that node; TLC looks for them. A trace is accepted if its end can be reached:*)
(* then Unfinished is violated. *)
EXTENDS MultiPaxos, TraceData

VARIABLE at
traceVars == <<vars, at>>

IsPrefix(a, b) == Len(a) <= Len(b) /\ SubSeq(b, 1, Len(a)) = a

\* A node hears itself without the network.
Own(n, m) == /\ m.kind = "Accept" \/ (m.kind = "Promise" /\ m.by = n)
             /\ Owner(m.ballot) = n

Hear(n, e) == \E m \in sent :
  /\ m \in e.heard \/ Own(n, m)
  /\ \/ ReceivePrepare(n, m) \/ ReceivePromise(n, m)
     \/ ReceiveAccept(n, m) \/ LearnOwn(n, m) \/ LearnByBeat(n, m) \/ LearnChosen(n, m)

Act(n, e) ==
  \/ e.kind = "stand" /\ \E b \in Ballot : Stand(n, b)
  \/ e.kind = "crash" /\ Crash(n)
  \/ Propose(n)  \* with any input: a command may have waited for room in the window
  \/ Hear(n, e) \/ Lead(n) \/ RecordChosen(n)

\* Only steps that lead towards what was seen.
Toward(n, e) ==
  /\ acceptor'[n].promised \in {acceptor[n].promised, e.promised}
  /\ IsPrefix(log'[n], e.log)
  /\ \A m \in sent' \ sent : \/ m \in e.said
                              \/ m.kind \in {"Beat", "Chosen"}  \* said as soon as it may be
                              \/ /\ m.kind \in {"Promise", "Accepted"}
                                 /\ m.by = n /\ Owner(m.ballot) = n

Seen(n, e) ==
  /\ acceptor[n] = [promised |-> e.promised, votes |-> e.votes]
  /\ log[n] = e.log
  /\ disk[n].promised = e.disk.promised /\ disk[n].votes = e.disk.votes
  /\ disk[n].log = e.disk.log
  /\ e.said \subseteq sent

TraceInit == Init /\ at = 1
TraceNext ==
  /\ at <= Len(Trace)
  /\ LET e == Trace[at] IN
     \/ Seen(e.node, e) /\ at' = at + 1 /\ UNCHANGED vars
     \/ Act(e.node, e) /\ Toward(e.node, e) /\ UNCHANGED at
TraceSpec == TraceInit /\ [][TraceNext]_traceVars

Unfinished == at <= Len(Trace)
=============================================================================
