"""Evolution: NSGA-II and NSGA-III of pymoo, IBEA, and a steady state without a barrier."""
