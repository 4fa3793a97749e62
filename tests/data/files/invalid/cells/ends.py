import sys
sys.exit('\n\n')
