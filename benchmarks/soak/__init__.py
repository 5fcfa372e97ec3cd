"""A server under load while things go wrong: does every request get its due?"""
